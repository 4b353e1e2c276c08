/**
 * Bounds: each has an answer and a counter, and nobody else notices.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial, type Socket } from 'node:net'
import { test } from 'node:test'
import type { WebSocket } from 'ws'
import {
  type Client,
  METRICS,
  counted as metric,
  open,
  SECRET,
  startCable,
  type TestCable,
  token,
  turbo,
} from './test-cable.ts'

const http = (cable: TestCable, path: string) => cable.url.cable.replace('ws', 'http').replace('/cable', path)

const counted = (cable: TestCable, code: string) => metric(cable, `refusals_total{code="${code}"}`)
const delays = (cable: TestCable) => metric(cable, 'commands_delayed_total')

/** What a server says to these bytes, until it closes. */
async function raw(cable: TestCable, ...chunks: string[]): Promise<string> {
  const { port } = new URL(cable.url.cable)
  const socket = dial(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  let answer = ''
  socket.on('data', data => {
    answer += data
  })
  for (const chunk of chunks) socket.write(chunk)
  await new Promise(resolve => socket.on('close', resolve))
  return answer
}

test('headers that are too large are 431, and garbage is 400', async t => {
  const cable = await startCable(t, ['--max_header_size=2000', METRICS])

  assert.match(await raw(cable, `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(4000)}\r\n\r\n`), /^HTTP\/1.1 431/)
  assert.match(await raw(cable, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400/)
  assert.deepEqual([await counted(cable, 'header_too_large'), await counted(cable, 'request_malformed')], [1, 1])
})

test('a client that dribbles its headers is cut with 408', async t => {
  const cable = await startCable(t, ['--handshake_timeout=1', METRICS])

  assert.match(await raw(cable, 'GET /cable HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1.1 408/)
  assert.equal(await counted(cable, 'handshake_timeout'), 1)
})

test('connections that are no session are bounded, and sessions do not count', async t => {
  const cable = await startCable(t, ['--noauth', '--max_unauthenticated=3', METRICS])
  const sessions = [await cable.welcomed(), await cable.welcomed(), await cable.welcomed(), await cable.welcomed()]
  const { port } = new URL(cable.url.cable)
  const idle = Array.from({ length: 3 }, () => dial(Number(port), '127.0.0.1'))
  t.after(() => {
    for (const socket of idle) socket.destroy()
  })
  for (const socket of idle) socket.on('error', () => {})
  await Promise.all(idle.map(socket => once(socket, 'connect')))

  assert.equal(await raw(cable, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'), '')
  sessions[0]!.send({ command: 'ping' })
  assert.equal((await sessions[0]!.next()).type, 'pong')
  for (const socket of idle) socket.destroy()
  for (;;) if ((await counted(cable, 'connections_limit').catch(() => 0)) > 0) break
})

test('sessions on the clients’ port do not loosen the bound of another port', async t => {
  const cable = await startCable(t, ['--noauth', '--http_broadcast_port=0', '--max_unauthenticated=2'])
  for (let i = 0; i < 4; i++) await cable.welcomed()
  const { port } = new URL(cable.url.broadcast)
  assert.notEqual(port, new URL(cable.url.cable).port)
  const idle = Array.from({ length: 3 }, () => dial(Number(port), '127.0.0.1'))
  t.after(() => {
    for (const socket of idle) socket.destroy()
  })

  await Promise.race(idle.map(socket => once(socket, 'close')))
})

test('sessions are bounded in all and per identity: one too many is told to come back later', async t => {
  const cable = await startCable(t, ['--max_sessions=3', '--max_sessions_per_identity=2', METRICS])
  const query = (user: number) => `?jid=${token({ ext: String(user) })}`
  const first = await cable.welcomed({ query: query(1) })
  await cable.welcomed({ query: query(1) })
  const third = await cable.connect({ query: query(1) })
  await cable.welcomed({ query: query(2) })
  const fourth = await cable.connect({ query: query(3) })

  for (const client of [third, fourth]) {
    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'sessions_limit', reconnect: true })
    assert.equal((await client.closed).code, 1013)
  }
  assert.deepEqual([await counted(cable, 'identity_limit'), await counted(cable, 'sessions_limit')], [1, 1])
  first.ws.close()
  await first.closed
  await cable.until(({ sessions }) => sessions === 2)
  assert.equal((await cable.welcomed({ query: query(1) })).welcome.type, 'welcome')
})

test('a client that commands too fast is made to wait, not refused, and loses nothing', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const [hasty, calm] = [await cable.welcomed(), await cable.welcomed()]
  await calm.subscribe(turbo('a'))
  const commands = Array.from({ length: 60 }, (_, i) => ({ identifier: turbo('b', { i: i % 15 }) }))
  const started = performance.now()
  // In one write, so that the cable reads all of it at once.
  socketOf(hasty.ws).cork()
  for (const { identifier } of commands) {
    hasty.send({ command: 'subscribe', identifier })
    hasty.send({ command: 'unsubscribe', identifier })
  }
  socketOf(hasty.ws).uncork()
  await cable.broadcast('a', 'x')

  assert.equal((await calm.next()).message, 'x')
  for (const { identifier } of commands)
    assert.deepEqual(await hasty.next(), { type: 'confirm_subscription', identifier })
  assert.ok(performance.now() - started > 700, '20 at once, and 40 at 50 a second')
  assert.equal(await delays(cable), 1)
})

for (const [about, close] of [
  ['a close frame', ({ ws }) => ws.close()],
  [
    'a close frame and the end of its process',
    ({ ws }) => {
      ws.close()
      socketOf(ws).uncork()
      socketOf(ws).destroySoon()
    },
  ],
] as [string, (client: Client) => void][]) {
  test(`commands that wait are executed although the client sent ${about} right behind them, and it gets nothing more`, async t => {
    const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=50']
    const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
    const [hasty, calm] = [await cable.welcomed(), await cable.welcomed()]
    const identifier = open('room')
    await calm.subscribe(identifier)
    await hasty.subscribe(identifier)
    hasty.send({ command: 'join', identifier, presence: { id: 'ada' } })
    assert.deepEqual((await calm.next()).message, { type: 'join', id: 'ada' })
    const received: Buffer[] = []
    socketOf(hasty.ws).on('data', data => received.push(data))
    socketOf(hasty.ws).cork()
    for (let i = 0; i < 60; i++) hasty.send({ command: 'whisper', identifier, data: i })
    hasty.send({ command: 'ping' })
    hasty.send({ command: 'leave', identifier })
    close(hasty)
    socketOf(hasty.ws).uncork()

    for (let i = 0; i < 60; i++) assert.equal((await calm.next()).message, i)
    assert.deepEqual((await calm.next()).message, { type: 'leave', id: 'ada' })
    await cable.until(({ sessions }) => sessions === 1)
    assert.equal(await counted(cable, 'commands_dropped'), 0)
    const [first, ...rest] = Buffer.concat(received).subarray(-2)
    if (about === 'a close frame') assert.deepEqual([first, ...rest], [0x88, 0])
    assert.doesNotMatch(String(Buffer.concat(received)), /pong/)
  })
}

test('a closed client whose commands would have to wait too long keeps no session', async t => {
  const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=1']
  const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  client.send({ command: 'ping', data: 'x'.repeat(50_000) })
  for (let i = 0; i < 9; i++) client.send({ command: 'ping' })
  client.ws.close()
  socketOf(client.ws).uncork()

  await cable.until(({ sessions }) => sessions === 0)
  assert.equal(await counted(cable, 'commands_dropped'), 9)
})

test('a backend disconnects a closed client whose commands still wait at once', async t => {
  const slow = ['--max_subscriptions=10', '--max_command_burst=20', '--max_command_rate=1']
  const cable = await startCable(t, ['--noauth', '--public_streams', ...slow, METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 90; i++) client.send({ command: 'ping' })
  client.ws.close()
  socketOf(client.ws).uncork()
  await client.closed

  await fetch(`${cable.url.api}/disconnect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cable.apiKey}` },
    body: JSON.stringify({ sid: client.welcome.sid }),
  })

  await cable.until(({ sessions }) => sessions === 0)
  assert.deepEqual([await counted(cable, 'remote'), await counted(cable, 'commands_dropped')], [1, 0])
})

test('a page with --max_subscriptions streams subscribes without waiting, while the last page unsubscribes', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=400', METRICS])
  const client = await cable.welcomed()
  const page = (n: number) => Array.from({ length: 400 }, (_, i) => turbo('a', { n, i }))
  for (const identifier of page(1)) client.send({ command: 'subscribe', identifier })
  for (const identifier of page(1)) client.send({ command: 'unsubscribe', identifier })
  for (const identifier of page(2)) client.send({ command: 'subscribe', identifier })
  for (let i = 0; i < 800; i++) assert.equal((await client.next()).type, 'confirm_subscription')

  assert.equal(await delays(cable), 0)
})

test('an unsubscribe without a subscription costs as much as any command', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 100; i++) client.send({ command: 'unsubscribe', identifier: 'x' })
  client.send({ command: 'ping' })
  socketOf(client.ws).uncork()

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await delays(cable), 1)
})

test('a command counts once for each KiB', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  client.send({ command: 'ping', data: 'x'.repeat(60 * 1024) })
  client.send({ command: 'ping' })

  assert.deepEqual([(await client.next()).type, (await client.next()).type], ['pong', 'pong'])
  assert.equal(await delays(cable), 1)
})

test('WebSocket pings count as commands', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).cork()
  for (let i = 0; i < 50; i++) client.ws.ping()
  client.send({ command: 'ping' })
  socketOf(client.ws).uncork()

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await delays(cable), 1)
})

test('pongs that answer no ping count as commands, and the cable stops reading until the rate has covered them all', async t => {
  const cable = await startCable(t, ['--noauth', '--max_subscriptions=10', '--max_command_burst=20', METRICS])
  const client = await cable.welcomed()
  const pongs = Buffer.alloc(6 * 10_000, Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
  let taken = 0
  for (let i = 0; i < 400; i++) socketOf(client.ws).write(pongs, () => taken++)
  while ((await delays(cable)) === 0);
  // What the cable reads meanwhile it reads of this client, too.
  for (let i = 0; i < 50; i++) await cable.broadcast('other', 'x'.repeat(100_000))

  assert.equal(await delays(cable), 1)
  assert.ok(taken < 400, `${taken} of 400`)
})

/** Text frames, masked with zeros. */
const frames = (text: string, count: number) =>
  Buffer.concat(
    Array.from({ length: count }, () =>
      Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]),
    ),
  )

for (const [about, text] of [
  ['empty frames', ''],
  ['frames that are no JSON', 'x'],
  ['JSON that is no command', '[]'],
] as const) {
  test(`after a hundred ${about} in a second the session ends with 1008`, async t => {
    const cable = await startCable(t, ['--noauth', METRICS])
    const client = await cable.welcomed()
    t.mock.method(performance, 'now', () => 0)
    socketOf(client.ws).write(frames(text, Math.floor(65_536 / (6 + text.length))))

    assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'malformed_flood', reconnect: false })
    assert.equal((await client.closed).code, 1008)
    assert.equal(await counted(cable, 'malformed_flood'), 1)
    assert.equal(await counted(cable, 'command_malformed'), 101, 'the rest is not looked at')
  })
}

test('a hundred malformed commands do not end the session', async t => {
  const cable = await startCable(t, ['--noauth', METRICS])
  const client = await cable.welcomed()
  socketOf(client.ws).write(frames('x', 100))
  client.send({ command: 'ping' })

  assert.equal((await client.next()).type, 'pong')
  assert.equal(await counted(cable, 'command_malformed'), 100)
})

for (const [code, break_] of [
  ['message_too_large', (ws: WebSocket) => ws.send('x'.repeat(70_000))],
  [
    'too_many_fragments',
    (ws: WebSocket) =>
      socketOf(ws).write(
        Buffer.concat(Array.from({ length: 2000 }, (_, i) => Buffer.from([i === 0 ? 1 : 0, 0x81, 0, 0, 0, 0, 32]))),
      ),
  ],
  ['text_malformed', (ws: WebSocket) => socketOf(ws).write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]))],
  ['frame_malformed', (ws: WebSocket) => socketOf(ws).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))],
] as const) {
  test(`what ends a connection is counted: ${code}`, async t => {
    const cable = await startCable(t, ['--noauth', METRICS])
    const client = await cable.welcomed()
    break_(client.ws)
    await client.closed

    assert.equal(await counted(cable, code), 1)
  })
}

const socketOf = (ws: WebSocket) => (ws as unknown as { _socket: Socket })._socket

test('a session ends when its token does, if that is wanted', async t => {
  const [strict, lax] = [await startCable(t, ['--jwt_close_on_expiry']), await startCable(t)]
  const query = `?jid=${token({ ext: 'x', exp: Math.floor(Date.now() / 1000) + 5 })}`
  const far = await strict.welcomed({ query: `?jid=${token({ ext: 'x', exp: 9_999_999_999 })}` })
  const [ends, goesOn] = [await strict.welcomed({ query }), await lax.welcomed({ query })]

  assert.deepEqual(await ends.next(), { type: 'disconnect', reason: 'token_expired', reconnect: false })
  for (const client of [far, goesOn]) {
    client.send({ command: 'ping' })
    assert.equal((await client.next()).type, 'pong')
  }
})

test('former keys still work, and what each verified is counted', async t => {
  const cable = await startCable(t, [
    '--jwt_previous_secrets=old-jwt',
    '--streams_previous_secrets=old-streams',
    '--broadcast_previous_keys=old-key',
    METRICS,
  ])
  const client = await cable.welcomed({ query: `?jid=${token({ ext: 'x' }, 'old-jwt')}` })
  const payload = turbo('a')
  await client.subscribe(payload)
  const { sign } = await import('./test-cable.ts')
  await client.subscribe(
    JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign('a', 'old-streams') }),
  )
  assert.equal(
    (await cable.post({ stream: 'a', data: '1' }, { headers: { authorization: 'Bearer old-key' } })).status,
    201,
  )
  assert.equal((await client.next()).message, 1)

  const text = await (await fetch(http(cable, '/metrics'))).text()
  for (const line of [
    'kind="jwt",key="previous_1"} 1',
    'kind="streams",key="present"} 1',
    'kind="streams",key="previous_1"} 1',
    'kind="broadcast",key="previous_1"} 1',
  ]) {
    assert.ok(text.includes(`verified_total{${line}`), line)
  }
  for (const name of ['command_seconds_count', 'broadcast_seconds_count 1', 'event_loop_lag_seconds', 'pending_bytes'])
    assert.ok(text.includes(name), name)
  assert.ok(!text.includes(SECRET))
})

test('many rejections do not fill the log: three of a session are warnings, the others are debug lines', async t => {
  const cable = await startCable(t, ['--noauth'])
  const client = await cable.welcomed()
  for (let n = 0; n < 10; n++) await client.subscribe(JSON.stringify({ channel: 'Unknown', n }))

  const levels = cable.lines.flatMap(line => /(WRN|DBG) subscription rejected/.exec(line)?.[1] ?? [])
  assert.deepEqual(levels, [...Array(3).fill('WRN'), ...Array(7).fill('DBG')])
})
