/** RPC on a cable that keeps nothing (--broker=none), as AnyCable does by default. */
import assert from 'node:assert/strict'
import { EXTENDED } from '../../../testing/client.ts'
import { visit } from '../../../testing/rpc-script.ts'
import { rpc, withoutBroker } from '../flags.ts'
import { now } from '../signing.ts'
import type { Scenario } from '../world.ts'
import { calls, enter, lastCall, over, perform, settled, subscribed, type Transport, unique } from './rpc-client.ts'

export const forgetting = (transport: Transport): Scenario[] =>
  over(transport, withoutBroker(rpc(transport)), [
    {
      title: 'without a broker a request for history is rejected, and the channel goes on',
      async run(world) {
        const stream = world.stream()
        await world.broadcast(stream, 'earlier')
        const client = await enter(world, {}, { protocols: EXTENDED })
        const identifier = unique({ streams: [stream] })
        client.command('subscribe', identifier, { history: { since: now() - 60 } })
        assert.equal((await client.next()).type, 'confirm_subscription')
        assert.deepEqual(await settled(client, identifier), [{ type: 'reject_history', identifier }])
        client.command('history', identifier, { history: { since: now() - 60 } })
        assert.deepEqual(await settled(client, identifier), [{ type: 'reject_history', identifier }])
        await world.broadcast(stream, 'later')
        assert.deepEqual(await client.next(), { identifier, message: 'later' })
      },
    },
    {
      title:
        'without a broker the app cannot put a client into the presence, and a question for it is answered with an error',
      async run(world) {
        const stream = world.stream()
        const env = { istate: { $p: stream } }
        const presence = { type: 'join', id: 'ada', info: '{}' }
        const { client, identifier } = await subscribed(
          world,
          { streams: [stream], env, presence },
          { protocols: EXTENDED },
        )
        client.command('presence', identifier)
        const error = { type: 'presence', identifier, message: { type: 'error', total: 0 } }
        assert.deepEqual(await settled(client, identifier), [error])
        perform(client, identifier, { presence: { type: 'leave', id: 'ada' } })
        assert.deepEqual(await settled(client, identifier), [])
      },
    },
    {
      title: 'without a broker the app hears at once that a client was lost, and the client cannot resume its session',
      async run(world) {
        const { client, identifier } = await subscribed(world, { env: { istate: { a: '1' } } }, { protocols: EXTENDED })
        await client.drop()
        assert.deepEqual((await world.app.called('disconnect', client.sid)).request.subscriptions, [identifier])
        const query = visit({}, { sid: client.sid })
        const again = await world.connect({ query, protocols: EXTENDED })
        assert.equal((await again.welcomed()).restored, undefined)
        await again.confirmed(identifier)
        assert.deepEqual(lastCall(world, again, 'subscribe').request.env.istate, {})
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'disconnect'])
      },
    },
  ])
