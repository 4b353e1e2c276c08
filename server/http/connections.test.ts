import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { certificate } from '../../testing/certificate.ts'
import { openRaw, type Raw } from '../../testing/raw.ts'
import { startCable, type TestCable } from '../test/test-cable.ts'

const METRICS = '--metrics_http=/metrics'

/** Flags of a cable with TLS. */
function tlsFlags(t: TestContext): string[] {
  const [cert, key] = certificate(t)
  return [`--ssl_cert=${cert}`, `--ssl_key=${key}`]
}

async function ask(raw: Raw, path = '/health'): Promise<string> {
  raw.forget()
  raw.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  return await raw.until(/\r\n\r\n.*\n?$/s)
}

const counted = async (cable: TestCable, t: TestContext, code: string) =>
  Number(new RegExp(`code="${code}"\\} (\\d+)`).exec(await ask(openRaw(t, cable.url.broadcast), '/metrics'))?.[1] ?? 0)

test('the cable keeps an idle connection for longer than balancers do', async t => {
  const cable = await startCable(t)

  assert.match(await ask(openRaw(t, cable.url.broadcast)), /Keep-Alive: timeout=75\r\n/)
})

for (const scheme of ['http', 'https'] as const) {
  test(`${scheme}: when there are too many connections the one that has been idle longest gives way`, async t => {
    const flags = scheme === 'https' ? tlsFlags(t) : []
    const cable = await startCable(t, ['--noauth', '--max_unauthenticated=3', METRICS, ...flags])
    const [first, second, third] = [0, 1, 2].map(() => openRaw(t, cable.url.broadcast)) as [Raw, Raw, Raw]
    for (const raw of [first, second, third, first]) await ask(raw)

    const fourth = openRaw(t, cable.url.broadcast)
    assert.match(await ask(fourth), / 200 /)

    await second.closed
    for (const raw of [first, third, fourth]) assert.match(await ask(raw), / 200 /)
    assert.equal(await counted(cable, t, 'connection_idle'), 2)
    assert.equal(await counted(cable, t, 'connections_limit'), 0)
  })
}

test('a connection that waits for its answer, or has become a session, does not give way', async t => {
  const cable = await startCable(t, ['--noauth', '--sse', '--public_streams', '--max_unauthenticated=1', METRICS])
  const events = openRaw(t, cable.url.broadcast)
  events.write('GET /events?stream=a HTTP/1.1\r\nHost: a\r\n\r\n')
  await events.until(/welcome/)
  const session = openRaw(t, cable.url.broadcast)
  await ask(session)
  session.write('GET /cable HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n')
  session.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  await session.until(/welcome/)
  const waits = openRaw(t, cable.url.broadcast)
  waits.write('POST /_broadcast HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n')
  waits.write(`Authorization: Bearer ${cable.key}\r\n\r\n`)
  await waits.until(/100 Continue/)

  assert.equal(await openRaw(t, cable.url.broadcast).closed, '')
  for (const raw of [events, session, waits]) assert.equal(raw.socket.readyState, 'open')
})

test('a session does not give way if its handshake followed another request at once', async t => {
  const cable = await startCable(t, ['--noauth', '--max_unauthenticated=1', METRICS])
  const session = openRaw(t, cable.url.broadcast)
  session.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n')
  session.write('GET /cable HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n')
  session.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  assert.match(await session.until(/welcome/), /200 OK.*101 Switching/s)
  for (let more = 0; more < 3; more++) await ask(openRaw(t, cable.url.broadcast))

  assert.equal(session.socket.readyState, 'open')
})

test('the cable closes a silent connection, with and without TLS', async t => {
  for (const flags of [[], tlsFlags(t)]) {
    const cable = await startCable(t, ['--handshake_timeout=4', '--max_unauthenticated=5', METRICS, ...flags])
    const plain = cable.url.broadcast.replace('https', 'http')
    const silent = Array.from({ length: 5 }, () => openRaw(t, plain, { allowHalfOpen: true }))
    await Promise.all(silent.map(({ socket }) => once(socket, 'connect')))

    assert.equal(await openRaw(t, plain).closed, '')
    await Promise.all(silent.map(raw => raw.closed))

    while (!/ 200 /.test(await ask(openRaw(t, cable.url.broadcast)).catch(() => ''))) await setImmediate()
    assert.equal(await counted(cable, t, 'handshake_timeout'), 5)
  }
})

test('the cable closes a connection that does not finish its TLS handshake in time', async t => {
  const cable = await startCable(t, ['--handshake_timeout=1', ...tlsFlags(t)])
  const raw = openRaw(t, cable.url.broadcast.replace('https', 'http'), { allowHalfOpen: true })

  raw.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))

  await raw.closed
})

test('the cable cuts off a client that speaks HTTP to a TLS port', async t => {
  const cable = await startCable(t, ['--handshake_timeout=3600', ...tlsFlags(t)])
  const raw = openRaw(t, cable.url.broadcast.replace('https', 'http'), { allowHalfOpen: true })

  raw.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n')

  await raw.closed
})
