/** Bounds on connections and sessions: each has an answer and a counter, and no other client notices. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { test } from 'node:test'
import { METRICS, refused, startCable, type TestCable, token } from './test-cable.ts'

/** Resolves with all that a server answers to these bytes before it closes. */
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

test('the cable answers too large headers with 431, and garbage with 400', async t => {
  const cable = await startCable(t, ['--max_header_size=2000', METRICS])

  assert.match(await raw(cable, `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(4000)}\r\n\r\n`), /^HTTP\/1.1 431/)
  assert.match(await raw(cable, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400/)
  assert.deepEqual([await refused(cable, 'header_too_large'), await refused(cable, 'request_malformed')], [1, 1])
})

test('the cable cuts a client that sends its headers too slowly with 408', async t => {
  const cable = await startCable(t, ['--handshake_timeout=1', METRICS])

  assert.match(await raw(cable, 'GET /cable HTTP/1.1\r\nHost: x\r\n'), /^HTTP\/1.1 408/)
  assert.equal(await refused(cable, 'handshake_timeout'), 1)
})

test('the cable bounds the connections without a session, and sessions do not count', async t => {
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
  for (;;) if ((await refused(cable, 'connections_limit').catch(() => 0)) > 0) break
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

test('the cable bounds the sessions, in all and per identity, and asks any further client to come back later', async t => {
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
  assert.deepEqual([await refused(cable, 'identity_limit'), await refused(cable, 'sessions_limit')], [1, 1])
  first.ws.close()
  await first.closed
  await cable.until(({ sessions }) => sessions === 2)
  assert.equal((await cable.welcomed({ query: query(1) })).welcome.type, 'welcome')
})
