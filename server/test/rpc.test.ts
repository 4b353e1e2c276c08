/**
 * An application with Action Cable's channels decides: it welcomes, grants, performs, and hears when a client has gone.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { Client, Frame } from '../../testing/client.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, visit } from '../../testing/rpc-script.ts'
import { counted, METRICS, open, SECRET, startCable, token, turbo } from './test-cable.ts'

const KEY = createHmac('sha256', SECRET).update('rpc-cable').digest('hex')

async function start(t: TestContext, flags: string[] = []) {
  const app = await startRpcApp(t, 'http', { secret: KEY })
  const cable = await startCable(t, [`--rpc_host=${app.host}`, METRICS, ...flags])
  return { app, cable }
}

/** Sends a ping, and resolves with the frames before its answer. */
async function untilPong(client: Client): Promise<Frame[]> {
  client.send({ command: 'ping' })
  return (await client.until(({ type }) => type === 'pong')).slice(0, -1)
}

test('the app welcomes a client, with its own words', async t => {
  const { app, cable } = await start(t)
  const welcome = '{"type":"welcome",  "sid":"of the app"}'
  const query = visit({ transmissions: [welcome] }, { room: 'a b' })
  const headers = { cookie: 'a=1; b=2', 'x-other': 'no' }
  const client = await cable.connect({ query, headers })

  assert.equal(await client.text(), welcome)
  const { request, sid, protov } = await app.called('connect')
  assert.equal(request.env.url, `${cable.url.cable.replace('ws', 'http')}${query}`)
  assert.deepEqual(request.env.headers, { cookie: 'a=1; b=2', REMOTE_ADDR: '127.0.0.1' })
  assert.match(sid!, /^[\w-]{20,}$/)
  assert.equal(protov, 'v1')
})

test('the app refuses a client with its own words, and hears nothing more of it', async t => {
  const { app, cable } = await start(t, ['--disconnect_mode=always'])
  const client = await cable.connect({ query: visit({ status: 2 }) })

  assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'unauthorized', reconnect: false })
  assert.deepEqual(await client.closed, { code: 1000, text: 'Auth Failed' })
  assert.equal(app.calls.length, 1)
})

test('a subscription that the app grants has its words, its streams and its states', async t => {
  const { app, cable } = await start(t)
  const env = { cstate: { user: 'ada' } }
  const client = await cable.connect({ query: visit({ env, identifiers: '{"user":"ada"}' }) })
  await client.welcomed()
  const chat = channel({ streams: ['chat', 'news'], env: { istate: { room: '1' }, cstate: { last: 'x' } } })
  await client.confirmed(chat)
  await cable.broadcast('news', 'new')
  await cable.broadcast('chat', 'hello')

  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['new', 'hello'])
  const { request, sid } = await app.called('command')
  assert.deepEqual(
    [request.command, request.identifier, request.connection_identifiers, request.data, request.env.cstate],
    ['subscribe', chat, '{"user":"ada"}', '', { user: 'ada' }],
  )
  assert.deepEqual([sid, request.env.headers.REMOTE_ADDR], [client.sid, '127.0.0.1'])
  client.command('message', chat, act({ transmissions: ['{"identifier":"x","message":1}'] }))
  assert.equal(await client.text(), '{"identifier":"x","message":1}')
  const performed = (await app.called('command')).request
  assert.deepEqual(
    [performed.command, JSON.parse(performed.data).action, performed.env.cstate, performed.env.istate],
    ['message', 'follow', { user: 'ada', last: 'x' }, { room: '1' }],
  )
})

test('a subscription that the app rejects has its words, and listens to nothing', async t => {
  const { cable } = await start(t)
  const client = await cable.welcomed()
  const chat = channel({ status: 2, streams: ['chat'], transmissions: ['{"type":"reject_subscription","a":1}'] })
  client.command('subscribe', chat)

  assert.equal(await client.text(), '{"type":"reject_subscription","a":1}')
  await cable.broadcast('chat', 'hello')
  client.command('message', chat, act())
  assert.deepEqual(await untilPong(client), [])
})

for (const [about, answer, expected] of [
  ['adds streams', { streams: ['c'] }, ['a', 'b', 'c']],
  ['stops a stream', { stopped_streams: ['a'] }, ['b']],
  ['stops all streams', { stop_streams: true }, []],
  ['stops all streams, and begins others', { stop_streams: true, stopped_streams: ['c'], streams: ['c'] }, ['c']],
  ['stops and begins one', { stopped_streams: ['a'], streams: ['a'] }, ['a', 'b']],
  ['fails, and stops a stream', { status: 2, stopped_streams: ['b'] }, ['a']],
] as const) {
  test(`an action that ${about} changes what the subscription hears`, async t => {
    const { cable } = await start(t)
    const client = await cable.welcomed()
    const chat = channel({ streams: ['a', 'b'] })
    await client.confirmed(chat)
    client.command('message', chat, act(answer))
    await untilPong(client)
    for (const stream of ['a', 'b', 'c']) await cable.broadcast(stream, stream)

    const heard = (await untilPong(client)).map(({ message }) => message)
    assert.deepEqual([...heard].sort(), [...expected])
    client.command('unsubscribe', chat)
    await untilPong(client)
    await cable.until(({ streams }) => streams === 0)
  })
}

test('an action that ends in ERROR changes nothing; one without text is ignored', async t => {
  const { app, cable } = await start(t)
  const client = await cable.welcomed()
  const chat = channel({ streams: ['a'], env: { istate: { n: '1' } } })
  await client.confirmed(chat)
  await app.called('command')
  client.command(
    'message',
    chat,
    act({ status: 0, stop_streams: true, transmissions: ['{}'], env: { istate: { n: '' } } }),
  )
  assert.deepEqual(await untilPong(client), [])
  await app.called('command')
  client.command('message', chat, { data: { action: 'object' } })
  client.command('message', open('a'), act())
  client.command('message', chat, act())
  assert.deepEqual(await untilPong(client), [])

  const { request } = await app.called('command')
  assert.deepEqual([request.env.istate, JSON.parse(request.data).action], [{ n: '1' }, 'follow'])
  await cable.broadcast('a', 'still here')
  assert.equal((await client.next()).message, 'still here')
})

test('an empty value deletes a state', async t => {
  const { app, cable } = await start(t)
  const client = await cable.connect({ query: visit({ env: { cstate: { a: '1', b: '2' } } }) })
  await client.welcomed()
  const chat = channel({ env: { istate: { c: '3', d: '4' }, cstate: { a: '' } } })
  await client.confirmed(chat)
  client.command('message', chat, act({ env: { istate: { c: '' }, cstate: { e: '5' } } }))
  client.command('message', chat, act())
  await untilPong(client)

  const [, , { request }] = [await app.called('command'), await app.called('command'), await app.called('command')]
  assert.deepEqual([request.env.cstate, request.env.istate], [{ b: '2', e: '5' }, { d: '4' }])
})

test('the app names the streams for whispers and for presence, and lets a member join', async t => {
  const { cable } = await start(t)
  const [ada, eve] = [await cable.welcomed(), await cable.welcomed()]
  const chat = channel({ streams: ['chat'], env: { istate: { $w: 'chat', $p: 'chat' } } })
  const joins = channel({
    ...{ streams: ['chat'], env: { istate: { $p: 'chat' } } },
    presence: { type: 'join', id: 'eve', info: '{"name":"Eve"}' },
  })
  await ada.confirmed(chat)
  // (Her node hears the stream before she joins.)
  const first = channel({ streams: ['chat'] })
  await eve.confirmed(first)
  eve.command('unsubscribe', first)
  await eve.confirmed(joins)

  assert.deepEqual((await ada.next()).message, { type: 'join', id: 'eve', info: { name: 'Eve' } })
  ada.command('whisper', chat, { data: 'psst' })
  assert.equal((await eve.until(({ message }) => message === 'psst')).length, 2)
  eve.command('message', joins, act({ presence: { type: 'leave', id: 'eve' } }))
  assert.deepEqual((await ada.next()).message, { type: 'leave', id: 'eve' })
  ada.command('message', chat, act({ presence: { type: 'join', id: 'ada', info: 'plain' } }))
  assert.deepEqual((await ada.next()).message, { type: 'join', id: 'ada', info: 'plain' })
})

test('an answer may close the connection, after its messages; the client may reconnect', async t => {
  const { app, cable } = await start(t)
  for (const scenario of ['subscribe', 'message', 'unsubscribe', 'rejection']) {
    const client = await cable.welcomed()
    const closing = { transmissions: ['{"bye":1}'], disconnect: true }
    const chat = channel(
      scenario === 'subscribe' ? closing : scenario === 'rejection' ? { ...closing, status: 2 } : {},
      {
        atEnd: closing,
      },
    )
    client.command('subscribe', chat)
    if (scenario === 'message') client.command('message', chat, act(closing))
    if (scenario === 'unsubscribe') client.command('unsubscribe', chat)
    const frames = await client.until(({ bye }) => bye === 1)
    assert.ok(frames.length <= 2)
    assert.deepEqual(await client.closed, { code: 1011, text: 'Command Failed' })
    await app.called('disconnect')
  }
})

test('an unsubscribe that ends in ERROR takes its effect, and the client may subscribe again', async t => {
  const { app, cable } = await start(t)
  const client = await cable.welcomed()
  const chat = channel({ streams: ['chat'] }, { atEnd: { status: 0 } })
  await client.confirmed(chat)
  client.command('unsubscribe', chat)
  await untilPong(client)
  await cable.broadcast('chat', 'hello')
  assert.deepEqual(await untilPong(client), [])
  await client.confirmed(chat)

  assert.deepEqual(
    app.calls.map(({ request }) => request.command),
    ['', 'subscribe', 'unsubscribe', 'subscribe'],
  )
})

test('the app hears that a client has gone, with its subscriptions and its states', async t => {
  const { app, cable } = await start(t)
  const client = await cable.connect({ query: visit({ identifiers: '{"user":"ada"}', env: { cstate: { a: '1' } } }) })
  await client.welcomed()
  const [one, two] = [channel({ env: { istate: { n: '1' } } }), channel({}, { name: 'Other' })]
  await client.confirmed(one)
  await client.confirmed(two)
  await client.drop()

  const { request, sid } = await app.called('disconnect')
  assert.deepEqual(
    [request.identifiers, request.subscriptions, request.env.cstate, request.env.istate, sid],
    ['{"user":"ada"}', [one, two], { a: '1' }, { [one]: '{"n":"1"}' }, client.sid],
  )
  assert.equal(
    request.env.url,
    `${cable.url.cable.replace('ws', 'http')}${visit({ identifiers: '{"user":"ada"}', env: { cstate: { a: '1' } } })}`,
  )
})

test('with a token, the app is not asked about signed streams, and hears of no end', async t => {
  const { app, cable } = await start(t, ['--turbo_streams'])
  const query = `?jid=${token({ ext: '{"user":"ada"}' })}`
  const client = await cable.welcomed({ query })
  await client.confirmed(turbo('board'))
  client.command('message', turbo('board'), act())
  client.command('subscribe', turbo('board', { signed_stream_name: 'forged' }))
  assert.equal((await client.next()).type, 'reject_subscription')
  await untilPong(client)
  await client.drop()
  await cable.until(({ sessions }) => sessions === 0)
  assert.equal(await counted(cable, 'rpc_call_total'), 0)

  const other = await cable.welcomed({ query })
  const room = JSON.stringify({ channel: 'RoomChannel', signed_stream_name: 'any' })
  assert.deepEqual(await other.subscribe(room), { type: 'confirm_subscription', identifier: room })
  const { request } = await app.called('command')
  assert.deepEqual([request.connection_identifiers, request.env.cstate], ['{"user":"ada"}', {}])
  await other.drop()
  assert.deepEqual((await app.called('disconnect')).request.subscriptions, [room])
})

test('without a token, a client of signed streams is one connect and one disconnect', async t => {
  const { app, cable } = await start(t, ['--turbo_streams'])
  const client = await cable.welcomed()
  await client.confirmed(turbo('board'))
  await client.drop()
  await app.called('disconnect')

  assert.deepEqual(
    app.calls.map(({ method }) => method),
    ['connect', 'disconnect'],
  )
})

test('the same over gRPC: a client that connects, subscribes, acts and leaves', async t => {
  const app = await startRpcApp(t, 'grpc')
  const cable = await startCable(t, [`--rpc_host=${app.host}`])
  const client = await cable.welcomed()
  const chat = channel({ streams: ['chat'], env: { istate: { n: '1' } } })
  await client.confirmed(chat)
  client.command('message', chat, act({ transmissions: ['{"n":1}'], streams: ['more'] }))
  assert.equal((await client.next()).n, 1)
  await cable.broadcast('more', 'hello')
  assert.equal((await client.next()).message, 'hello')
  await client.drop()

  const { request, sid } = await app.called('disconnect')
  assert.deepEqual(
    [request.subscriptions, request.env.istate, sid],
    [[chat], { [chat]: '{"n":"1"}' }, client.welcome.sid],
  )
})
