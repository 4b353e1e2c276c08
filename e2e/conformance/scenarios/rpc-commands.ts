/** RPC: what the app is asked about commands, and what its answers do, in this order: streams, states, transmissions, presence. */
import assert from 'node:assert/strict'
import { EXTENDED } from '../../../testing/client.ts'
import { rpc } from '../flags.ts'
import { now } from '../signing.ts'
import type { Scenario, World } from '../world.ts'
import {
  calls,
  enter,
  hears,
  lastCall,
  over,
  perform,
  settled,
  subscribed,
  type Transport,
  unique,
} from './rpc-client.ts'

export const commands = (transport: Transport): Scenario[] =>
  over(transport, rpc(transport), [
    {
      title: 'the app gets a subscription with its identifier as the client wrote it',
      async run(world) {
        const client = await enter(world)
        const identifier = unique({}, { name: 'A::B', z: 'é', a: [1, { b: null }] }).replace('{', '{ ')
        await client.confirmed(identifier)
        const { command, data, env, ...request } = lastCall(world, client, 'subscribe').request
        assert.deepEqual([command, request.identifier, data, env.istate], ['subscribe', identifier, '', {}])
      },
    },
    {
      title: 'what the app sends with a subscription arrives in its order, and the cable confirms nothing itself',
      async run(world) {
        const client = await enter(world)
        const transmissions = ['{"type":"first"}', '{"type":"second"}']
        client.command('subscribe', unique({ transmissions }))
        assert.deepEqual([await client.text(), await client.text()], transmissions)
        assert.deepEqual(await client.answers(), [])
      },
    },
    {
      title: 'a subscription gets the broadcasts of all its streams, under its identifier',
      async run(world) {
        const streams = [world.stream('a'), world.stream('é')]
        const { client, identifier } = await subscribed(world, { streams })
        for (const stream of streams) {
          await world.broadcast(stream, { on: stream })
          const { message, identifier: of } = await client.next()
          assert.deepEqual([message, of], [{ on: stream }, identifier])
        }
      },
    },
    {
      title: 'two subscriptions of a client to one stream get a broadcast each',
      async run(world) {
        const streams = [world.stream()]
        const { client, identifier } = await subscribed(world, { streams })
        const second = unique({ streams })
        await client.confirmed(second)
        await world.broadcast(streams[0]!, 1)
        const got = [await client.next(), await client.next()].map(({ identifier }) => identifier)
        assert.deepEqual(got.sort(), [identifier, second].sort())
      },
    },
    {
      title: 'the app gets no action of a client in a subscription that it rejected',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        const rejected = unique({ status: 2 })
        assert.deepEqual(await client.subscribe(rejected), { type: 'reject_subscription', identifier: rejected })
        perform(client, rejected)
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'subscribe', 'message'])
      },
    },
    {
      title: 'a rejected subscription may be tried again',
      async run(world) {
        const client = await enter(world)
        const rejected = unique({ status: 2 })
        await client.subscribe(rejected)
        assert.equal((await client.subscribe(rejected)).type, 'reject_subscription')
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'subscribe'])
      },
    },
    {
      title: 'a subscription that is open is not asked for again',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        client.command('subscribe', identifier)
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message'])
      },
    },
    {
      title: 'the app hears of the end of a subscription, and its streams end, without an answer',
      async run(world) {
        const streams = [world.stream()]
        const { client, identifier } = await subscribed(world, { streams })
        const other = unique()
        await client.confirmed(other)
        client.command('unsubscribe', identifier)
        assert.equal(await hears(world, client, other, streams[0]!), false)
        assert.equal(lastCall(world, client, 'unsubscribe').request.identifier, identifier)
      },
    },
    {
      title: 'a subscription ends even if the app answers its end with FAILURE',
      async run(world) {
        const client = await enter(world)
        const [streams, other] = [[world.stream()], unique()]
        const identifier = unique({ streams }, { atEnd: { status: 2, stop_streams: false } })
        await client.confirmed(identifier)
        await client.confirmed(other)
        client.command('unsubscribe', identifier)
        assert.equal(await hears(world, client, other, streams[0]!), false)
      },
    },
    {
      title: 'a subscription ends even if the app answers its end with ERROR',
      run: world => endsInError(world, false),
      differs: {
        anycable: 'keeps it open',
        why: 'bug: the client has forgotten it, and gets messages that it cannot read',
        run: world => endsInError(world, true),
      },
    },
    {
      title: 'the end of a subscription that is not open is ignored',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        client.command('unsubscribe', unique())
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message'])
      },
    },
    {
      title: 'a subscription that ended is asked for again, without its state',
      async run(world) {
        const { client, identifier } = await subscribed(world, { env: { istate: { a: '1' } } })
        client.command('unsubscribe', identifier)
        await client.confirmed(identifier)
        assert.deepEqual(lastCall(world, client, 'unsubscribe').request.env.istate, { a: '1' })
        assert.deepEqual(lastCall(world, client, 'subscribe').request.env.istate, {})
      },
    },
    {
      title: 'the app gets the data of an action as the client wrote it',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        const data = '{ "action" : "speak",  "text":"é\\u00e9 <b>" }'
        client.command('message', identifier, { data })
        await settled(client, identifier)
        const [first] = world.app.calls.filter(call => call.sid === client.sid && call.request.command === 'message')
        assert.equal(first?.request.data, data)
      },
    },
    {
      title: 'an action in a subscription that is not open is ignored',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        perform(client, unique())
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message'])
      },
    },
    {
      title: 'an action without text as its data is ignored',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        for (const data of [undefined, 1, { action: 'speak' }]) client.command('message', identifier, { data })
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message'])
      },
    },
    {
      title: 'the answer to an action arrives, even to one that fails',
      async run(world) {
        const { client, identifier } = await subscribed(world)
        perform(client, identifier, { transmissions: ['{"type":"a"}', '{"type":"b"}'] })
        assert.deepEqual([(await client.next()).type, (await client.next()).type], ['a', 'b'])
        perform(client, identifier, { status: 2, transmissions: ['{"type":"c"}'] })
        assert.equal((await client.next()).type, 'c')
      },
    },
    {
      title: 'an action that ends in ERROR changes nothing, and the client stays',
      async run(world) {
        const stream = world.stream()
        const { client, identifier } = await subscribed(world)
        perform(client, identifier, {
          status: 0,
          streams: [stream],
          transmissions: ['{"type":"no"}'],
          disconnect: true,
        })
        assert.equal(await hears(world, client, identifier, stream), false)
      },
    },
    {
      title: 'an action adds a stream, which begins now',
      async run(world) {
        const stream = world.stream()
        const { client, identifier } = await subscribed(world)
        await world.broadcast(stream, 'before')
        perform(client, identifier, { streams: [stream] })
        assert.equal(await hears(world, client, identifier, stream), true)
      },
    },
    {
      title: 'an action stops one stream',
      async run(world) {
        const [one, two] = [world.stream(), world.stream()]
        const { client, identifier } = await subscribed(world, { streams: [one, two] })
        perform(client, identifier, { stopped_streams: [one] })
        assert.equal(await hears(world, client, identifier, one), false)
        assert.equal(await hears(world, client, identifier, two), true)
      },
    },
    {
      title: 'an action stops all streams of its subscription, and of no other',
      async run(world) {
        const streams = [world.stream()]
        const { client, identifier } = await subscribed(world, { streams })
        const other = unique({ streams })
        await client.confirmed(other)
        perform(client, identifier, { stop_streams: true })
        await settled(client, identifier)
        await world.broadcast(streams[0]!, 'once')
        const { identifier: of } = await client.next()
        assert.equal(of, other)
        assert.deepEqual(await settled(client, identifier), [])
      },
    },
    {
      title: 'streams that an action adds are open, even if it stops all others',
      async run(world) {
        const [old, young] = [world.stream(), world.stream()]
        const { client, identifier } = await subscribed(world, { streams: [old] })
        perform(client, identifier, { stop_streams: true, stopped_streams: [young], streams: [young] })
        assert.equal(await hears(world, client, identifier, old), false)
        assert.equal(await hears(world, client, identifier, young), true)
      },
    },
    {
      title: 'a stream that an action both stops and adds is open',
      async run(world) {
        const stream = world.stream()
        const { client, identifier } = await subscribed(world, { streams: [stream] })
        perform(client, identifier, { stopped_streams: [stream], streams: [stream] })
        assert.equal(await hears(world, client, identifier, stream), true)
      },
    },
    {
      title: 'a subscription keeps its state name by name, and apart from those of others',
      async run(world) {
        const { client, identifier } = await subscribed(world, { env: { istate: { a: '1', b: '2' } } })
        const other = unique({ env: { istate: { a: 'other' } } })
        await client.confirmed(other)
        perform(client, identifier, { env: { istate: { b: '', c: '3' } } })
        await settled(client, identifier)
        assert.deepEqual(lastCall(world, client, 'message').request.env.istate, { a: '1', c: '3' })
        await settled(client, other)
        assert.deepEqual(lastCall(world, client, 'message').request.env.istate, { a: 'other' })
      },
    },
    {
      title: 'an action that disconnects sends its answer first',
      run: world => disconnecting(world, 1011),
      differs: {
        anycable: 'closes with 1006',
        why: 'bug: no program may send 1006',
        run: world => disconnecting(world, undefined),
      },
    },
    {
      title: 'a client whispers on the stream that the app names, and others hear it',
      async run(world) {
        const stream = world.stream()
        const script = { streams: [stream], env: { istate: { $w: stream } } }
        const [one, two] = [await subscribed(world, script), await subscribed(world, script)]
        one.client.command('whisper', one.identifier, { data: { typing: true } })
        const { message, identifier } = await two.client.next()
        assert.deepEqual([message, identifier], [{ typing: true }, two.identifier])
        assert.deepEqual(await settled(one.client, one.identifier), [])
      },
    },
    {
      title: 'a client cannot whisper where the app names no stream for it',
      async run(world) {
        const stream = world.stream()
        const [one, two] = [
          await subscribed(world, { streams: [stream] }),
          await subscribed(world, { streams: [stream] }),
        ]
        one.client.command('whisper', one.identifier, { data: 'psst' })
        await settled(one.client, one.identifier)
        await world.broadcast(stream, 'loud')
        assert.equal((await two.client.next()).message, 'loud')
      },
    },
    {
      title: 'the app puts a client into the presence, and takes it out',
      needsBroker: true,
      async run(world) {
        const stream = world.stream()
        const env = { istate: { $p: stream } }
        const watching = await subscribed(world, { streams: [stream], env }, { protocols: EXTENDED })
        const presence = { type: 'join', id: 'ada', info: '{"name":"Ada"}' }
        const ada = await subscribed(world, { streams: [stream], env, presence }, { protocols: EXTENDED })
        const join = (await watching.client.next()).message as Record<string, unknown>
        assert.deepEqual([join.type, join.id, join.info], ['join', 'ada', { name: 'Ada' }])
        perform(ada.client, ada.identifier, { presence: { type: 'leave', id: 'ada' } })
        const leave = (await watching.client.next()).message as Record<string, unknown>
        assert.deepEqual([leave.type, leave.id], ['leave', 'ada'])
      },
    },
    {
      title: 'the app gets no whisper, no presence and no history',
      async run(world) {
        const stream = world.stream()
        const env = { istate: { $w: stream, $p: stream } }
        const { client, identifier } = await subscribed(world, { streams: [stream], env }, { protocols: EXTENDED })
        client.command('whisper', identifier, { data: 'psst' })
        client.command('join', identifier, { presence: { id: 'ada', info: {} } })
        client.command('presence', identifier)
        client.command('history', identifier, { history: { since: 0 } })
        await settled(client, identifier)
        assert.deepEqual(calls(world, client), ['connect', 'subscribe', 'message'])
      },
    },
    {
      title: 'a client gets what the streams of its channel had before',
      needsBroker: true,
      async run(world) {
        const stream = world.stream()
        await world.broadcast(stream, 'earlier')
        const client = await enter(world, {}, { protocols: EXTENDED })
        const identifier = unique({ streams: [stream] })
        client.command('subscribe', identifier, { history: { since: now() - 60 } })
        const frames = await client.until(({ type }) => type === 'confirm_history')
        assert.deepEqual(
          frames.map(({ type, message }) => type ?? message),
          ['confirm_subscription', 'earlier', 'confirm_history'],
        )
      },
    },
    {
      title: 'a message that excludes a client does not reach its channel',
      async run(world) {
        const stream = world.stream()
        const { client } = await subscribed(world, { streams: [stream] })
        await world.broadcast(stream, 'of others', { exclude_socket: client.sid })
        await world.broadcast(stream, 'of all')
        assert.equal((await client.next()).message, 'of all')
      },
    },
  ])

async function endsInError(world: World, stays: boolean): Promise<void> {
  const client = await enter(world)
  const [streams, other] = [[world.stream()], unique()]
  const identifier = unique({ streams }, { atEnd: { status: 0, stop_streams: false } })
  await client.confirmed(identifier)
  await client.confirmed(other)
  client.command('unsubscribe', identifier)
  assert.equal(await hears(world, client, other, streams[0]!), stays)
}

/** `code`: of the close; undefined: an illegal one, at which the client breaks off. */
async function disconnecting(world: World, code: number | undefined): Promise<void> {
  const { client, identifier } = await subscribed(world)
  perform(client, identifier, { transmissions: ['{"type":"bye"}'], disconnect: true })
  assert.equal((await client.next()).type, 'bye')
  const closed = await client.closed
  if (code === undefined) client.errors.length = 0
  else assert.equal(closed.code, code)
  assert.equal((await world.app.called('disconnect', client.sid)).request.subscriptions.length, 1)
}
