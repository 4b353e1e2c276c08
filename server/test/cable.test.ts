import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { freePorts } from '../../start/network.ts'
import { connect, counted, METRICS, SECRET, sign, startCable, token, turbo } from './test-cable.ts'

const ADA = JSON.stringify({ user_id: 42 })
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600

test('a client with a good token is welcomed, with a sid of its own', async t => {
  const cable = await startCable(t)
  const jid = token({ ext: ADA, exp: inAnHour() })
  const [one, two] = await Promise.all([
    cable.connect({ query: `?jid=${jid}` }),
    cable.connect({ query: `?jid=${jid}` }),
  ])

  const welcomes = [await one.next(), await two.next()]

  assert.deepEqual(
    welcomes.map(({ type }) => type),
    ['welcome', 'welcome'],
  )
  assert.match(welcomes[0]!.sid!, /^[\w-]{20,}$/)
  assert.notEqual(welcomes[0]!.sid, welcomes[1]!.sid)
})

test('the token may be a header, a subprotocol or a query parameter, and the first of these wins', async t => {
  const cable = await startCable(t)
  const jid = token({ ext: ADA })
  const bad = 'not.a.token'

  for (const [options, welcomed] of [
    [
      { headers: { 'x-jid': jid }, protocols: ['actioncable-v1-json', `anycable-token.${bad}`], query: `?jid=${bad}` },
      true,
    ],
    [{ protocols: ['actioncable-v1-json', `anycable-token.${jid}`], query: `?jid=${bad}` }, true],
    [{ query: `?jid=${jid}` }, true],
    [{ headers: { 'x-jid': bad }, query: `?jid=${jid}` }, false],
  ] as const) {
    const client = await cable.connect(options)
    assert.equal((await client.next()).type, welcomed ? 'welcome' : 'disconnect')
  }
})

for (const [about, query, reason] of [
  ['no token', () => '', 'unauthorized'],
  ['a forged token', () => `?jid=${token({ ext: ADA }, 'another-secret')}`, 'unauthorized'],
  ['an expired token', () => `?jid=${token({ ext: ADA, exp: 1_000_000_000 })}`, 'token_expired'],
  ['an ext that is no string', () => `?jid=${token({ ext: { user_id: 42 } })}`, 'unauthorized'],
] as const) {
  test(`${about} is refused with a disconnect that says ${reason}, then a close`, async t => {
    const cable = await startCable(t)
    const client = await cable.connect({ query: query() })

    assert.deepEqual(await client.next(), { type: 'disconnect', reason, reconnect: false })
    assert.deepEqual(await client.closed, { code: 1000, text: 'Auth Failed' })
  })
}

test('a bad token is refused even where none is needed', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [without, bad] = await Promise.all([cable.connect(), cable.connect({ query: '?jid=nonsense' })])

  assert.equal((await without.next()).type, 'welcome')
  assert.equal((await bad.next()).reason, 'unauthorized')
})

test('with --dev a refusal says its code and what to do; without, nothing more than the reference', async t => {
  const [dev, plain] = [await startCable(t, ['--dev']), await startCable(t)]
  const [told, untold] = [await (await dev.connect()).next(), await (await plain.connect()).next()]

  assert.equal(told.code, 'token_missing')
  assert.match(String(told.fix), /jid/)
  assert.deepEqual(Object.keys(untold), ['type', 'reason', 'reconnect'])
})

test('with --dev a welcome says so, and without it does not', async t => {
  const [dev, plain] = [await startCable(t, ['--noauth', '--dev']), await startCable(t, ['--noauth'])]
  const [told, untold] = [(await dev.welcomed()).welcome, (await plain.welcomed()).welcome]

  assert.deepEqual(told, { type: 'welcome', sid: told.sid, dev: true })
  assert.deepEqual(untold, { type: 'welcome', sid: untold.sid })
})

test('a subprotocol is answered when it is offered, and a token is never echoed', async t => {
  const cable = await startCable(t, ['--noauth'])
  const stock = await cable.connect({ protocols: ['actioncable-v1-json', 'actioncable-unsupported'] })
  // The ws client insists on an answer to what it offers, so this offers the token behind its back.
  const headers = { 'sec-websocket-protocol': `anycable-token.${token({ ext: ADA })}` }
  const bare = await cable.connect({ protocols: [], headers })

  assert.equal(stock.ws.protocol, 'actioncable-v1-json')
  assert.equal(bare.ws.protocol, '')
  assert.equal((await bare.next()).type, 'welcome')
})

test('a broadcast reaches the stream and nobody else', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [ada, bob] = [await cable.connect(), await cable.connect()]
  await Promise.all([ada.next(), bob.next()])
  const chat = turbo('chat/1')
  assert.deepEqual(await ada.subscribe(chat), { type: 'confirm_subscription', identifier: chat })
  await bob.subscribe(turbo('chat/2'))

  await cable.broadcast('chat/1', '<b>é 🦄 "quoted"</b>')
  await cable.broadcast('chat/2', 'afterwards')

  const { epoch, ...frame } = await ada.next()
  assert.match(String(epoch), /^[\w-]{4,}$/)
  assert.deepEqual(frame, { identifier: chat, message: '<b>é 🦄 "quoted"</b>', stream_id: 'chat/1', offset: 1 })
  assert.deepEqual((await bob.next()).message, 'afterwards')
})

test('an identifier is echoed byte for byte, whatever a page adds to it', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  const odd = `{ "signed_stream_name": "${sign('a')}", "position":"12/aZ3x",\n"channel" :"Turbo::StreamsChannel","é":"\\u00e9 </script>" }`

  assert.equal((await client.subscribe(odd)).identifier, odd)
  await cable.broadcast('a', 'x')
  assert.equal((await client.next()).identifier, odd)
})

test('frames are right at every length that changes their header', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))

  for (const length of [0, 1, 40, 100, 125, 126, 300, 65_000, 65_535, 65_536, 300_000]) {
    const html = 'é'.repeat(length)
    await cable.broadcast('a', html)
    assert.equal((await client.next()).message, html)
  }
})

test('a second subscribe is silent, an unsubscribe is silent, and both are in order', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  const identifier = turbo('a')
  for (const command of ['subscribe', 'subscribe', 'unsubscribe', 'unsubscribe', 'subscribe'])
    client.send({ command, identifier })

  assert.equal((await client.next()).type, 'confirm_subscription')
  assert.equal((await client.next()).type, 'confirm_subscription')
  await cable.broadcast('a', 'once')
  await cable.broadcast('a', 'more')
  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['once', 'more'])
})

test('after an unsubscribe nothing arrives', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))
  client.send({ command: 'unsubscribe', identifier: turbo('a') })
  await client.subscribe(turbo('b'))

  await cable.broadcast('a', 'gone')
  await cable.broadcast('b', 'here')

  assert.equal((await client.next()).message, 'here')
})

for (const [about, identifier, code] of [
  [
    'a forged name',
    JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'wrong') }),
    'stream_signature_mismatch',
  ],
  ['no name', JSON.stringify({ channel: 'Turbo::StreamsChannel' }), 'stream_name_missing'],
  ['a number for a name', JSON.stringify({ channel: '$pubsub', signed_stream_name: 7 }), 'stream_name_not_a_string'],
  ['an unsigned name', JSON.stringify({ channel: '$pubsub', stream_name: 'a' }), 'stream_not_public'],
  ['an unknown channel', JSON.stringify({ channel: 'ChatChannel' }), 'channel_unknown'],
  ['a channel that every object has', JSON.stringify({ channel: '__proto__' }), 'channel_unknown'],
  ['an identifier that is not JSON', 'chat', 'channel_unknown'],
  ['an identifier that is null', 'null', 'channel_unknown'],
  ['an identifier that never ends', JSON.stringify({ channel: 'x'.repeat(5000) }), 'identifier_too_long'],
] as const) {
  test(`${about} is rejected with the identifier it came with, and the session goes on`, async t => {
    const cable = await startCable(t, ['--noauth', '--dev'])
    const client = await cable.connect()
    await client.next()

    const { fix, ...rejection } = await client.subscribe(identifier)

    assert.deepEqual(rejection, { type: 'reject_subscription', identifier, code })
    assert.equal((await client.subscribe(turbo('a'))).type, 'confirm_subscription')
  })
}

test('a subscribe without an identifier is rejected without one', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  client.send({ command: 'subscribe' })

  assert.deepEqual(await client.next(), { type: 'reject_subscription' })
})

test('a flood of subscribes is rejected past the limit, and others do not notice', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=5', '--max_command_burst=2000'])
  const [flooding, calm] = [await cable.connect(), await cable.connect()]
  await Promise.all([flooding.next(), calm.next()])
  await calm.subscribe(turbo('a'))
  for (let i = 0; i < 2000; i++) flooding.send({ command: 'subscribe', identifier: turbo('a', { i }) })

  const answers = []
  for (let i = 0; i < 2000; i++) answers.push((await flooding.next()).type)

  assert.equal(answers.filter(type => type === 'confirm_subscription').length, 10)
  await cable.broadcast('a', 'still here')
  assert.equal((await calm.next()).message, 'still here')
})

for (const [about, message] of [
  ['no JSON', '{"command":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['a number', '7'],
  ['a command that is a number', '{"command":7,"identifier":"a"}'],
  ['an identifier that is an object', '{"command":"subscribe","identifier":{"channel":"a"}}'],
  ['an unknown command', '{"command":"dance","identifier":"a"}'],
  ['an empty object', '{}'],
  ['a perform', '{"command":"message","identifier":"a","data":"{}"}'],
  ['a pong', '{"command":"pong"}'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00])],
  ['a text as a binary frame', Buffer.from('{"command":"dance"}')],
  ['nothing at all', ''],
] as const) {
  test(`${about} is ignored, and the session goes on`, async t => {
    const cable = await startCable(t, ['--noauth'])
    const client = await cable.connect()
    await client.next()
    client.send(message)

    assert.equal((await client.subscribe(turbo('a'))).type, 'confirm_subscription')
  })
}

test('a command in a binary frame is obeyed, as in the reference', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  client.send(Buffer.from(JSON.stringify({ command: 'subscribe', identifier: turbo('a') })))

  assert.equal((await client.next()).type, 'confirm_subscription')
})

test('a message over the limit closes with 1009, and one at the limit does not', async t => {
  const cable = await startCable(t, ['--noauth', '--max_message_size=2000'])
  const [at, over] = [await cable.connect(), await cable.connect()]
  at.send(' '.repeat(2000))
  over.send(' '.repeat(2001))

  assert.equal((await over.closed).code, 1009)
  await at.next()
  assert.equal((await at.subscribe(turbo('a'))).type, 'confirm_subscription')
})

test('a text that is not UTF-8 closes with 1007, and a broken frame with 1002', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [text, broken] = [await cable.connect(), await cable.connect()]
  const rawSocket = (client: { ws: WebSocket }) => (client.ws as unknown as { _socket: NodeJS.WritableStream })._socket
  rawSocket(text).write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))
  rawSocket(broken).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))

  assert.equal((await text.closed).code, 1007)
  assert.equal((await broken.closed).code, 1002)
})

test('one sid can be left out, on every subscription it has', async t => {
  const cable = await startCable(t, ['--noauth'])
  const [ada, bob] = [await cable.connect(), await cable.connect()]
  const [{ sid }] = await Promise.all([ada.next(), bob.next()])
  for (const client of [ada, bob]) for (const n of [1, 2]) await client.subscribe(turbo('a', { n }))

  await cable.broadcast('a', 'not for ada', { exclude_socket: sid })
  await cable.broadcast('a', 'for both')

  assert.deepEqual([(await ada.next()).message, (await ada.next()).message], ['for both', 'for both'])
  assert.deepEqual([(await bob.next()).message, (await bob.next()).message], ['not for ada', 'not for ada'])
})

test('a batch is applied whole, in order, or not at all', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(turbo('a'))
  const publication = (text: string) => ({ stream: 'a', data: JSON.stringify(text) })

  const broken = await cable.post([publication('never'), null])
  const whole = await cable.post([publication('one'), publication('two')])

  assert.deepEqual([broken.status, whole.status], [422, 201])
  assert.match(((await broken.json()) as { message: string }).message, /\[1\]/)
  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['one', 'two'])
})

test('a remote disconnect reaches all sessions of the identity, and nobody else', async t => {
  const cable = await startCable(t)
  const query = `?jid=${token({ ext: ADA })}`
  const other = await cable.connect({ query: `?jid=${token({ ext: '{"user_id":43}' })}` })
  const all = await Promise.all([1, 2, 3].map(() => cable.connect({ query })))
  await Promise.all([other, ...all].map(client => client.next()))

  const { status } = await cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })

  assert.equal(status, 201)
  for (const client of all) {
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'remote', reconnect: true })
    assert.deepEqual(await client.closed, { code: 1000, text: 'Closed remotely' })
  }
  assert.equal((await other.subscribe(turbo('a'))).type, 'confirm_subscription')
})

test('pings come without being asked for, with growing whole seconds', async t => {
  const cable = await startCable(t, ['--noauth', '--ping_interval=1'])
  const client = await cable.connect()
  const pings: number[] = []
  while (pings.length < 2) {
    const frame = JSON.parse(String((await once(client.ws, 'message'))[0]))
    if (frame.type === 'ping') pings.push(frame.message)
  }

  assert.ok(pings.every(Number.isInteger))
  assert.ok(pings[1]! > pings[0]!)
})

test('a page of another origin is refused with 403, and one that is allowed is not', async t => {
  const cable = await startCable(t, ['--noauth', '--allowed_origins=example.com, *.example.io,*example.net,'])
  const status = async (origin?: string) => {
    const ws = new WebSocket(cable.url.cable, ['actioncable-v1-json'], origin === undefined ? {} : { origin })
    t.after(() => ws.terminate())
    ws.on('error', () => {})
    return await Promise.race([
      once(ws, 'open').then(() => 101),
      once(ws, 'unexpected-response').then(([, response]) => response.statusCode),
    ])
  }

  assert.equal(await status('https://example.com'), 101)
  assert.equal(await status('https://EXAMPLE.com'), 101)
  assert.equal(await status('https://a.example.io'), 101)
  assert.equal(await status('https://evilexample.io'), 403)
  assert.equal(await status('https://example.io'), 403)
  for (const host of ['example.net', 'a.example.net']) assert.equal(await status(`https://${host}`), 101)
  assert.equal(await status('https://evilexample.net'), 403)
  assert.equal(await status('https://example.com:8443'), 403)
  assert.equal(await status('null'), 403)
  assert.equal(await status(), 403)
})

test('what follows a message that is larger than may wait is not too much', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=1000000', '--max_broadcast_size=20000000'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('board/1'))
  client.ws.pause()
  const large = 'x'.repeat(16_000_000)

  for (const data of [large, 'a', 'b']) await cable.broadcast('board/1', data)
  client.ws.resume()

  for (const data of [large, 'a', 'b']) assert.equal((await client.next()).message, data)
})

test('a client that does not read is cut with too_slow, and others do not wait for it', async t => {
  const cable = await startCable(t, ['--noauth', '--ws_max_pending_size=1000000', METRICS])
  const [slow, quick] = [await cable.connect(), await cable.connect()]
  await Promise.all([slow.next(), quick.next()])
  await slow.subscribe(turbo('a'))
  await quick.subscribe(turbo('a'))
  slow.ws.pause()

  const html = 'x'.repeat(500_000)
  // Read on once it is cut: the cable waits two seconds for a reader to take the rest.
  let sent = 0
  while ((await counted(cable, 'disconnected_slow_clients_total')) === 0) {
    await cable.broadcast('a', html)
    assert.equal((await quick.next()).message, html)
    assert.ok(++sent < 40, 'it is never cut')
  }
  await cable.broadcast('a', html)
  assert.equal((await quick.next()).message, html)
  slow.ws.resume()

  const last = []
  for (let frame = await slow.next(); ; frame = await slow.next()) {
    last.push(frame)
    if (frame.type === 'disconnect') break
  }
  assert.deepEqual(last.at(-1), { type: 'disconnect', reason: 'too_slow', reconnect: true })
  assert.ok(last.length < 40)
})

test('a stop tells every client to come back, closes with 1001, and frees the port', async t => {
  const [port] = await freePorts(1)
  const cable = await startCable(t, ['--noauth', `--port=${port}`])
  const clients = await Promise.all([1, 2, 3].map(() => cable.connect()))
  await Promise.all(clients.map(client => client.next()))

  await cable.close()

  for (const client of clients) {
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'server_restart', reconnect: true })
    assert.deepEqual(await client.closed, { code: 1001, text: 'Server restart' })
  }
  const again = await startCable(t, ['--noauth', `--port=${port}`])
  assert.equal((await (await again.connect()).next()).type, 'welcome')
})

test('clients may be served on several paths, and on no other', async t => {
  const cable = await startCable(t, ['--noauth', '--path=/cable,/live'])
  const live = await connect(t, cable.url.cable.replace('/cable', '/live'))
  assert.equal((await live.next()).type, 'welcome')

  const other = new WebSocket(cable.url.cable.replace('/cable', '/other'))
  const [, response] = await Promise.race([once(other, 'unexpected-response'), once(other, 'open')])
  assert.equal(response.statusCode, 404)
})

test('what is counted can be read, and what is refused is counted by its code', async t => {
  const cable = await startCable(t, ['--noauth', '--metrics_http=/metrics'])
  const client = await cable.connect()
  await client.next()
  await client.subscribe(JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'wrong') }))
  await client.subscribe(turbo('a'))
  await cable.broadcast('a', 'x')
  await client.next()

  const text = await (await fetch(new URL('/metrics', cable.url.cable.replace('ws', 'http')))).text()

  for (const line of [
    'anycable_go_clients_num 1',
    'anycable_go_client_msg_total 2',
    'anycable_go_broadcast_msg_total 1',
    'anycable_go_refusals_total{code="stream_signature_mismatch"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line)
  }
})

test('no line of the log holds a secret, a token, a query or a whole signed name', async t => {
  const cable = await startCable(t, ['--dev'])
  const jid = token({ ext: ADA, exp: inAnHour() })
  const bad = token({ ext: ADA }, 'wrong')
  const client = await cable.connect({ query: `?jid=${jid}` })
  await client.next()
  const forged = sign('a', 'wrong')
  await client.subscribe(JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: forged }))
  await (await cable.connect({ query: `?jid=${bad}` })).closed
  await cable.post('garbage', { headers: { authorization: 'Bearer guess-of-a-key' } })

  const log = cable.lines.join('')
  assert.match(log, /stream_signature_mismatch/)
  assert.match(log, /token_invalid/)
  assert.match(log, /unauthorized/)
  for (const canary of [SECRET, jid, bad, forged, 'guess-of-a-key', 'jid=']) assert.ok(!log.includes(canary), canary)
})
