/** RPC: an app that is away, busy, broken, or restarts. */
import assert from 'node:assert/strict'
import { type Fault, visit } from '../../../testing/rpc-script.ts'
import { rpc } from '../flags.ts'
import type { Scenario, World } from '../world.ts'
import { calls, enter, over, perform, settled, subscribed, type Transport, unique } from './rpc-client.ts'

/** Faults after which the same call may succeed. `drop` ends the connection, which all clients share over gRPC. */
const PASSING: Record<Transport, readonly Fault[]> = { http: ['drop'], grpc: ['drop', 'unavailable', 'exhausted'] }

export const failures = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    ...PASSING[transport].flatMap((fault): Scenario[] => [
      {
        alone: fault === 'drop',
        title: `a client connects, although the app fails at first: ${fault}`,
        async run(world) {
          const client = await enter(world, { fault, times: 1 })
          assert.deepEqual(calls(world, client), ['connect', 'connect'])
        },
      },
      {
        alone: fault === 'drop',
        title: `a client subscribes, although the app fails at first: ${fault}`,
        async run(world) {
          const client = await enter(world)
          await client.confirmed(unique({ fault, times: 2 }))
          assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'subscribe', 'subscribe'])
        },
      },
    ]),
    ...(['refused', 'unauthorized', 'crash', 'garbage'] as const).map(
      (fault): Scenario => ({
        title: `an action that fails is not repeated, and the client stays: ${fault}`,
        async run(world) {
          const { client, identifier } = await subscribed(world)
          perform(client, identifier, { fault })
          assert.deepEqual(await settled(client, identifier), [])
          assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message', 'message'])
        },
      }),
    ),
    {
      title: 'a client that the app answers with ERROR is not refused: it may come back',
      run: world => erring(world, { status: 0 }),
      differs: {
        anycable: 'closes with 1011, without a message',
        why: 'choice: a reason is in the log of the page, and clients come back spread over time',
        run: closedWithoutReason,
      },
    },
    {
      title: 'a large answer arrives whole',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        perform(client, identifier, { transmissions: [JSON.stringify({ type: 'large', text: 'x'.repeat(30_000) })] })
        const frame = await client.next()
        assert.equal((frame.text as string).length, 30_000)
      },
    },
    {
      title: 'an app that restarts is asked again, and its clients notice nothing',
      alone: true,
      async run(world) {
        const { client, identifier } = await subscribed(world)
        await world.app.stop()
        client.command('subscribe', unique({}, { name: 'Later' }))
        await world.app.start()
        assert.equal((await client.next()).type, 'confirm_subscription')
        assert.deepEqual(await settled(client, identifier), [])
      },
      differs: {
        anycable: 'may answer nothing, if its own pause before it connects again is longer than its retries',
        why: 'bug: a client cannot know that it has to ask again',
      },
    },
  ])

async function erring(world: World, script: { status: number }): Promise<void> {
  const client = await world.connect({ query: visit(script) })
  assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'rpc_unavailable', reconnect: true })
  await client.closed
}

async function closedWithoutReason(world: World): Promise<void> {
  const client = await world.connect({ query: visit({ status: 0 }) })
  assert.equal((await client.closed).code, 1011)
  await assert.rejects(client.text())
}
