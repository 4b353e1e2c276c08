/**
 * Odd requests to /events: the cable answers each, and leaves nothing of it behind.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { events, eventsUrl } from '../test/event-reader.ts'
import { settled } from '../test/memory.ts'
import { sign, startCable, type TestCable, token } from '../test/test-cable.ts'

const FLAGS = ['--noauth', '--sse', '--public_streams', '--metrics_http=/metrics']
const pubsub = (stream_name: string) => JSON.stringify({ channel: '$pubsub', stream_name })
const line = (identifier: string, more: object = {}) => `${JSON.stringify({ identifier, ...more })}\n`

async function metrics(cable: TestCable): Promise<(name: string) => number> {
  const text = await (await fetch(eventsUrl(cable, '').replace('/events', '/metrics'))).text()
  return name =>
    Number(
      text
        .split('\n')
        .find(row => row.startsWith(`anycable_go_${name} `))
        ?.split(' ')
        .at(-1) ?? 0,
    )
}

interface Connection {
  socket: Socket
  /** All received text, once it holds `text` or the cable has closed. */
  heard: (text?: string) => Promise<string>
}

/** A connection on which the test writes every byte. */
function open(t: TestContext, cable: TestCable): Connection {
  const socket = dial(Number(new URL(cable.url.cable).port), '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  let all = ''
  socket.on('data', data => {
    all += data
  })
  return {
    socket,
    async heard(text) {
      while (!socket.closed && !(text !== undefined && all.includes(text)))
        await Promise.race([once(socket, 'data'), once(socket, 'close')])
      return all
    },
  }
}

const request = (body: string, head = '') =>
  `POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head || `Content-Length: ${Buffer.byteLength(body)}`}\r\n\r\n${body}`
const UPGRADE =
  'GET /cable HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const good = line(pubsub('a'), { presence: { id: 'ada' }, history: { since: 1 } })

for (const [about, text, status, error] of [
  ['a second line without an identifier', request(`${good}{"command":"subscribe"}`), 400, 'identifier_missing'],
  ['a second line that is not a command', request(`${good}nonsense`), 400, 'command_malformed'],
  ['a second line that is not an object', request(`${good}[1]`), 400, 'command_malformed'],
  ['a second line that is too deep', request(`${good}${'['.repeat(9999)}${']'.repeat(9999)}`), 400, 'command_too_deep'],
  ['the same line twice', request(good + good), 400, 'already_subscribed'],
  [
    'a forged name',
    request(good + line(JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('b', 'no') }))),
    400,
    'rejected',
  ],
  [
    'too many lines',
    request(Array.from({ length: 200 }, (_, i) => line(pubsub(`${i}`))).join('')),
    400,
    'subscriptions_limit',
  ],
  ['a body over the limit', request('x'.repeat(66_000)), 413, 'message_too_large'],
  [
    'a chunked body over the limit',
    request(
      `FFFF\r\n${'x'.repeat(65_535)}\r\nFFFF\r\n${'x'.repeat(65_535)}\r\n0\r\n\r\n`,
      'Transfer-Encoding: chunked',
    ),
    413,
    'message_too_large',
  ],
  ['a body that is not UTF-8', request('\xff\xff', 'Content-Length: 2'), 400, 'text_malformed'],
  ['a compressed body', request('{}', 'Content-Encoding: gzip\r\nContent-Length: 2'), 400, 'identifier_missing'],
  ['a broken chunk', request('x\r\n', 'Transfer-Encoding: chunked'), 400, ''],
  ['HEAD', 'HEAD /events?stream=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 405, ''],
  ['a method without a meaning', 'BREW /events?stream=a HTTP/1.1\r\nHost: x\r\n\r\n', 400, ''],
  ['DELETE', 'DELETE /events?stream=a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 405, 'method_not_allowed'],
  [
    'an invalid time',
    'GET /events?stream=a&history_since=x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    400,
    'history_unusable',
  ],
  [
    'a malformed query',
    'GET /events??&=&%&identifier=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    400,
    'rejected',
  ],
  [
    'parameters twice',
    'GET /events?identifier=x&identifier=y&raw=2&raw=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    400,
    'rejected',
  ],
  [
    'a deep identifier',
    `GET /events?identifier=${'['.repeat(9999)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    400,
    'rejected',
  ],
] as const) {
  test(`${about} gets ${status}, and the request leaves nothing behind`, async t => {
    const cable = await startCable(t, FLAGS)
    const { socket, heard } = open(t, cable)
    socket.write(text, 'latin1')

    const answer = await heard()
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `))
    if (error !== '') assert.deepEqual(JSON.parse(answer.split('\r\n\r\n')[1]!), { error })
    const { sessions, streams } = await cable.stats()
    assert.deepEqual([sessions, streams], [0, 0])
    assert.doesNotMatch(cable.lines.join(''), / {4}at /)
    if (error !== '') assert.equal(cable.lines.filter(row => /ERR/.test(row)).length, 0)
  })
}

test('a refused request announces no join, and adds no member', async t => {
  const cable = await startCable(t, FLAGS)
  const watcher = await cable.welcomed()
  await watcher.subscribe(pubsub('a'))

  const { response } = await events(t, cable, '', { method: 'POST', body: good + line(pubsub('')) })
  assert.equal(response.status, 400)

  await cable.broadcast('a', 'next')
  assert.equal((await watcher.next()).message, 'next')
  watcher.send({ command: 'presence', identifier: pubsub('a') })
  assert.deepEqual((await watcher.next()).message, { type: 'info', total: 0 })
})

test('refused requests keep no bytes in memory, however much history their good lines asked for', async t => {
  const cable = await startCable(t, FLAGS)
  for (let i = 0; i < 40; i++) await cable.broadcast('a', 'x'.repeat(20_000))
  const body = good + line(JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('b', 'no') }))
  const refuse = async () => assert.equal((await events(t, cable, '', { method: 'POST', body })).response.status, 400)
  await refuse()
  const before = await settled()

  for (let i = 0; i < 100; i++) await refuse()
  await cable.broadcast('a', 'x'.repeat(20_000))

  const grown = (await settled()) - before
  assert.ok(grown < 10_000_000, `${grown} bytes for 100 times 800,000`)
  assert.deepEqual(await cable.stats().then(({ sessions, streams }) => [sessions, streams]), [0, 0])
})

test('a client that leaves while its body is read, or right after, leaves nothing behind', async t => {
  const cable = await startCable(t, FLAGS)
  const [half, whole] = [open(t, cable), open(t, cable)]
  half.socket.write(request(good).slice(0, -10))
  whole.socket.write(request(good), () => whole.socket.destroy())
  half.socket.write(' ', () => half.socket.destroy())
  await Promise.all([half.heard(), whole.heard()])

  const { response } = await events(t, cable, '?stream=a')
  assert.equal(response.status, 200)
  await cable.until(({ sessions, streams }) => sessions === 1 && streams === 1)
  assert.doesNotMatch(cable.lines.join(''), /ERR/)
})

const ASK = 'GET /events?stream=a HTTP/1.1\r\nHost: x\r\n\r\n'

test('a connection with many requests has one session, which ends with the connection', async t => {
  const cable = await startCable(t, FLAGS)
  const { socket, heard } = open(t, cable)

  socket.write(ASK.repeat(50))
  await heard('confirm_subscription')

  const count = await metrics(cable)
  assert.deepEqual([count('clients_num'), count('refusals_total{code="events_pipelined"}')], [1, 49])
  socket.destroy()
  await cable.until(({ sessions, streams }) => sessions === 0 && streams === 0)
})

test('many requests on one connection do not loosen --max_unauthenticated', async t => {
  const cable = await startCable(t, [...FLAGS, '--max_unauthenticated=3'])
  const asking = open(t, cable)
  asking.socket.write(ASK.repeat(50))
  await asking.heard('confirm_subscription')
  const idle = Array.from({ length: 3 }, () => open(t, cable))
  await Promise.all(idle.map(({ socket }) => once(socket, 'connect')))

  assert.equal(await open(t, cable).heard(), '')
})

test('the cable refuses a pipelined request for events while the answer before it goes on', async t => {
  const cable = await startCable(t, FLAGS)
  const { socket, heard } = open(t, cable)

  socket.write(`GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n${ASK}`)

  assert.match(await heard('{"error":'), /^HTTP\/1.1 200 .*\nHTTP\/1.1 400 .*"events_pipelined"/s)
  assert.deepEqual(await cable.stats().then(({ sessions, streams }) => [sessions, streams]), [0, 0])
})

test('a WebSocket cannot begin on a connection that carries events, so one connection is one session', async t => {
  const cable = await startCable(t, FLAGS)
  const { socket, heard } = open(t, cable)
  socket.write(`GET /events?stream=a HTTP/1.1\r\nHost: x\r\n\r\n${UPGRADE}`)
  await heard('confirm_subscription')
  await cable.broadcast('a', 'still events')

  assert.doesNotMatch(await heard('still events'), /HTTP\/1.1 101/)
  assert.equal((await cable.stats()).sessions, 1)
  socket.destroy()
  while ((await cable.stats()).sessions > 0) await cable.broadcast('a', 'no client gets this')
})

/** A POST without its body. */
const unsent = (headers = '') => `POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n${headers}\r\n`

for (const [about, flags, headers, status, error] of [
  ['no token', [], '', 401, 'unauthorized'],
  ['a forged token', [], `x-jid: ${token({}, 'another secret')}\r\n`, 401, 'unauthorized'],
  ['an expired token', [], `x-jid: ${token({ exp: 1 })}\r\n`, 401, 'token_expired'],
  [
    'an origin that is not allowed',
    ['--allowed_origins=a.example'],
    'Origin: http://b.example\r\n',
    403,
    'origin_not_allowed',
  ],
  ['a session too many', ['--max_sessions=1'], `x-jid: ${token({ ext: 'ada' })}\r\n`, 401, 'sessions_limit'],
] as const) {
  test(`the cable refuses a POST with ${about} before it reads its body`, async t => {
    const cable = await startCable(t, ['--sse', ...flags])
    await cable.welcomed({ query: `?jid=${token({ ext: 'ada' })}`, headers: { origin: 'http://a.example' } })
    const { socket, heard } = open(t, cable)

    socket.write(unsent(headers))

    assert.match(await heard(error), new RegExp(`^HTTP/1.1 ${status} `))
    assert.equal((await cable.stats()).sessions, 1)
  })
}

test('POSTs with slow bodies do not exceed --max_sessions', async t => {
  const cable = await startCable(t, [...FLAGS, '--max_sessions=2'])
  const [first, second, third] = [open(t, cable), open(t, cable), open(t, cable)]
  const slow = [first, second, third]
  for (const { socket } of slow)
    socket.write(request(good, `Expect: 100-continue\r\nContent-Length: ${good.length}`).slice(0, -good.length))
  for (const { heard } of slow) await heard('100 Continue')

  for (const { socket, heard } of [first, second]) {
    socket.write(good)
    await heard('confirm_subscription')
  }
  third.socket.write(good)

  assert.match(await third.heard(), /401 Unauthorized.*"sessions_limit"/s)
  const count = await metrics(cable)
  assert.deepEqual([count('clients_num'), count('refusals_total{code="sessions_limit"}')], [2, 1])
})

test('a POST counts as commands and bytes of a client', async t => {
  const cable = await startCable(t, FLAGS)
  const body = line(pubsub('a')) + line(pubsub('b'))

  await events(t, cable, '', { method: 'POST', body })

  const count = await metrics(cable)
  assert.deepEqual([count('client_msg_total'), count('data_rcvd_total')], [2, body.length])
  assert.equal(count('command_seconds_count'), 2)
})

for (const [allowed, origin, expected] of [
  ['', 'https://any.example', ['*', null]],
  ['*', 'https://any.example', ['*', null]],
  ['a.example,*', 'https://any.example', ['*', null]],
  ['a.example', 'https://a.example', ['https://a.example', 'true']],
  ['a.example', 'https://b.example', [null, null]],
] as const) {
  test(`a page of another origin may send its cookies only where its origin is allowed by name: ${allowed || 'none'}, ${origin}`, async t => {
    const cable = await startCable(t, [...FLAGS, ...(allowed === '' ? [] : [`--allowed_origins=${allowed}`])])

    for (const [query, method] of [
      ['?stream=a', 'GET'],
      ['', 'GET'],
      ['', 'OPTIONS'],
    ] as const) {
      const { response } = await events(t, cable, query, { method, headers: { origin } })
      const { headers } = response
      assert.deepEqual(
        ['access-control-allow-origin', 'access-control-allow-credentials'].map(name => headers.get(name)),
        expected,
      )
    }
  })
}

test('the cable cuts off a client that does not read its last events, and the session ends', async t => {
  const cable = await startCable(t, [...FLAGS, '--ws_max_pending_size=0'])
  const { socket, heard } = open(t, cable)
  socket.write('GET /events?stream=a HTTP/1.1\r\nHost: x\r\n\r\n')
  const sid = /"sid":"([^"]+)"/.exec(await heard('confirm_subscription'))?.[1]
  socket.pause()
  for (let i = 0; i < 20; i++) await cable.broadcast('a', 'x'.repeat(500_000))

  await fetch(`${cable.url.api}/disconnect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cable.apiKey}` },
    body: JSON.stringify({ sid }),
  })

  await cable.until(({ sessions }) => sessions === 0)
})
