/** RPC beside tokens and signed names, and the end of a client. */
import assert from 'node:assert/strict'
import { rpc } from '../flags.ts'
import { jwt, pubsub, sign, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'
import { calls, enter, lastCall, over, settled, subscribed, type Transport, unique } from './rpc-client.ts'

const TOKEN = `?jid=${jwt({ ext: '{"user":"token"}' })}`

export const endings = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    {
      title: 'the app hears that a client left, with its subscriptions and states',
      async run(world) {
        const identifiers = '{"user":"gone"}'
        const client = await enter(world, { identifiers, env: { cstate: { c: '1' } } })
        const [plain, stateful] = [unique(), unique({ env: { istate: { a: '1', b: 'é' } } })]
        await client.confirmed(plain)
        await client.confirmed(stateful)
        client.ws.close()
        const { request, protov } = await world.app.called('disconnect', client.sid)
        assert.deepEqual([request.identifiers, request.env.cstate, protov], [identifiers, { c: '1' }, 'v1'])
        assert.deepEqual([...request.subscriptions].sort(), [plain, stateful].sort())
        assert.deepEqual(JSON.parse(request.env.istate[stateful]!), { a: '1', b: 'é' })
      },
    },
    {
      title: 'the app hears that a client left without a close',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        await client.drop()
        assert.deepEqual((await world.app.called('disconnect', client.sid)).request.subscriptions, [identifier])
      },
    },
    {
      title: 'the app hears of a client without subscriptions that left',
      async run(world) {
        const client = await enter(world, {}, { headers: { cookie: 'a=1' } })
        client.ws.close()
        const { request } = await world.app.called('disconnect', client.sid)
        assert.deepEqual([request.subscriptions, request.env.headers.cookie], [[], 'a=1'])
      },
    },
    {
      title: 'the app hears of a client that a backend disconnected',
      async run(world) {
        const identifiers = `{"user":"${world.stream('cut')}"}`
        const client = await enter(world, { identifiers })
        await world.post({ command: 'disconnect', payload: { identifier: identifiers } })
        await client.closed
        assert.equal((await world.app.called('disconnect', client.sid)).request.identifiers, identifiers)
      },
    },
    {
      title: 'the app hears of its clients when the cable ends',
      alone: true,
      async run(world) {
        const { client, identifier } = await subscribed(world)
        await world.server.stop()
        // (Its last request may be read after its end.)
        const { request } = await world.app.called('disconnect', client.sid)
        assert.deepEqual(request.subscriptions, [identifier])
        assert.equal(calls(world, client).at(-1), 'disconnect')
      },
    },
  ])

export const mixed = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    {
      title: 'a client with a token that subscribes to signed streams makes no call at all',
      async run(world) {
        const before = world.app.calls.length
        const stream = world.stream()
        const client = await world.welcomed({ query: TOKEN })
        await client.confirmed(turbo(stream))
        await client.confirmed(pubsub(stream))
        await world.broadcast(stream, 'hello')
        assert.equal((await client.next()).message, 'hello')
        await client.drop()
        // Another client's calls come later.
        const { client: other } = await subscribed(world)
        other.ws.close()
        await world.app.called('disconnect', other.sid)
        const own = world.app.calls.slice(before).filter(({ sid }) => sid === client.sid)
        assert.deepEqual(own, [])
      },
    },
    {
      title: 'a client without a token that subscribes to signed streams makes a Connect and a Disconnect call',
      async run(world) {
        assert.deepEqual(await subscriptionsAfterSigned(world), [])
      },
      differs: {
        anycable: 'names the signed streams among the subscriptions that end',
        why: 'choice: the app never opened them, and would run callbacks of their channels',
        async run(world) {
          assert.equal((await subscriptionsAfterSigned(world)).length, 2)
        },
      },
    },
    {
      title: 'a client with a token asks the app for its channels, by the identity of the token',
      async run(world) {
        const client = await world.welcomed({ query: TOKEN })
        const identifier = unique({ streams: [world.stream()] })
        await client.confirmed(identifier)
        assert.equal(lastCall(world, client, 'subscribe').request.connection_identifiers, '{"user":"token"}')
        client.ws.close()
        assert.deepEqual((await world.app.called('disconnect', client.sid)).request.subscriptions, [identifier])
        assert.deepEqual(calls(world, client), ['subscribe', 'disconnect'])
      },
    },
    {
      title: 'a client with a bad token is refused without a call',
      async run(world) {
        for (const [token, reason] of [
          ['not.a.token', 'unauthorized'],
          [jwt({ ext: '{}', exp: 1 }), 'token_expired'],
        ]) {
          const client = await world.connect({ query: `?jid=${token}&user=bad` })
          const frame = await client.next()
          assert.deepEqual([frame.type, frame.reason, frame.reconnect], ['disconnect', reason, false])
          await client.closed
        }
        assert.equal(
          world.app.calls.some(({ request }) => request.env.url.includes('user=bad')),
          false,
        )
      },
    },
    {
      title: 'a signed name in a channel of the app is for the app',
      async run(world) {
        const client = await enter(world)
        const identifier = unique({}, { name: 'RoomChannel', signed_stream_name: sign(world.stream()) })
        await client.confirmed(identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe'])
      },
    },
    {
      title: 'a signed name that is forged is rejected without a call',
      async run(world) {
        const client = await enter(world)
        const identifier = turbo(world.stream()).replace(/[0-9a-f]{64}/, '0'.repeat(64))
        assert.equal((await client.subscribe(identifier)).type, 'reject_subscription')
        assert.deepEqual(calls(world, client), ['connect'])
      },
    },
    {
      title: 'a forged name of a client with a token makes no call, not even at the end',
      async run(world) {
        assert.deepEqual(await callsAfterForged(world), [])
      },
      differs: {
        anycable: 'calls Disconnect',
        why: 'bug: the app never knew this client',
        async run(world) {
          assert.deepEqual(await callsAfterForged(world), ['disconnect'])
        },
      },
    },
  ])

/** The subscriptions in the Disconnect call of a client with two signed streams. */
async function subscriptionsAfterSigned(world: World): Promise<readonly string[]> {
  const stream = world.stream()
  const client = await enter(world)
  await client.confirmed(turbo(stream))
  await client.confirmed(pubsub(stream))
  client.ws.close()
  const { request } = await world.app.called('disconnect', client.sid)
  assert.deepEqual(calls(world, client), ['connect', 'disconnect'])
  return request.subscriptions
}

async function callsAfterForged(world: World): Promise<string[]> {
  const client = await world.welcomed({ query: TOKEN })
  const identifier = turbo(world.stream()).replace(/[0-9a-f]{64}/, '0'.repeat(64))
  assert.equal((await client.subscribe(identifier)).type, 'reject_subscription')
  client.ws.close()
  await client.closed
  const { client: other } = await subscribed(world)
  other.ws.close()
  await world.app.called('disconnect', other.sid)
  return calls(world, client)
}

/** Commands of one client wait for each other; clients do not wait for others. */
export const waiting = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    {
      title: 'the commands of a client reach the app one after another',
      alone: true,
      async run(world) {
        const client = await enter(world)
        const held = Promise.withResolvers<undefined>()
        world.app.before = ({ request }) => (request.command === 'subscribe' ? held.promise : undefined)
        const identifier = unique()
        client.command('subscribe', identifier)
        client.command('message', identifier, { data: '{"action":"a"}' })
        client.command('unsubscribe', identifier)
        await world.app.called('command', client.sid)
        const other = await enter(world)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe'])
        held.resolve(undefined)
        assert.equal((await client.next()).type, 'confirm_subscription')
        await other.confirmed(unique())
        await world.app.called('command', client.sid)
        await world.app.called('command', client.sid)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message', 'unsubscribe'])
      },
    },
    {
      title: 'a client whose call hangs keeps no other client waiting',
      async run(world) {
        const stuck = await enter(world)
        stuck.command('subscribe', unique({ fault: 'hang' }))
        const { client, identifier } = await subscribed(world)
        assert.deepEqual(await settled(client, identifier), [])
      },
    },
    {
      title: 'a call ends when its client has gone',
      async run(world) {
        const client = await enter(world)
        client.command('subscribe', unique({ fault: 'hang' }))
        const { canceled } = await world.app.called('command', client.sid)
        await client.drop()
        await canceled
      },
    },
  ])
