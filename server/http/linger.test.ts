/**
 * A client that still writes when it is refused can read why. Our side of a connection takes more than a socket holds, so
 * these clients could not finish writing to a server that does not read on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRaw } from '../../testing/raw.ts'
import { startCable, type TestCable } from '../test/test-cable.ts'

const FLAGS = ['--sse', '--noauth', '--public_streams']
const LARGE = 'x'.repeat(5_000_000)

const refusals: [about: string, line: string, key: (cable: TestCable) => string, status: number][] = [
  ['too large a broadcast', 'POST /_broadcast', cable => cable.key, 413],
  ['too large a publication', 'POST /api/publish', cable => cable.apiKey, 413],
  ['too large a disconnect', 'POST /api/disconnect', cable => cable.apiKey, 413],
  ['too many subscriptions', 'POST /events', () => '', 413],
  ['a wrong key', 'POST /_broadcast', () => 'x', 401],
  ['a wrong key of the API', 'POST /api/publish', () => 'x', 401],
  ['another method', 'PUT /_broadcast', cable => cable.key, 422],
  ['another path', 'POST /broadcast', cable => cable.key, 404],
]

for (const [about, line, key, status] of refusals) {
  for (const [how, length, body] of [
    ['with its length', `Content-Length: ${LARGE.length}`, LARGE],
    ['in chunks', 'Transfer-Encoding: chunked', `${LARGE.length.toString(16)}\r\n${LARGE}\r\n0\r\n\r\n`],
    ['after 100-continue', `Content-Length: ${LARGE.length}\r\nExpect: 100-continue`, LARGE],
    ['and Connection: close', `Content-Length: ${LARGE.length}\r\nConnection: close`, LARGE],
  ] as const) {
    test(`a client that reads only after it has written gets ${status} for ${about}, ${how}`, async t => {
      const cable = await startCable(t, FLAGS)
      const raw = openRaw(t, cable.url.broadcast)
      raw.socket.pause()

      await raw.written(
        `${line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${key(cable)}\r\n${length}\r\n\r\n${body}`,
      )
      raw.socket.resume()

      assert.match(await raw.until(/"(?:error|message)"[^}]*\}/), new RegExp(`(?:^|\n)HTTP/1.1 ${status} `))
    })
  }
}

test('the cable keeps a connection after it has read on, but closes it after a 413', async t => {
  const cable = await startCable(t, FLAGS)
  const ask = (key: string) => {
    const raw = openRaw(t, cable.url.broadcast)
    const head = `Host: a\r\nAuthorization: Bearer ${key}\r\nContent-Length: ${LARGE.length}`
    raw.write(`POST /_broadcast HTTP/1.1\r\n${head}\r\n\r\n${LARGE}GET /health HTTP/1.1\r\nHost: a\r\n\r\n`)
    return raw
  }

  assert.match(await ask('x').until(/ok$/), / 401 .* 200 /s)
  assert.doesNotMatch(await ask(cable.key).closed, / 200 /)
})

test('the cable reads at most 16 MiB of a refused body', async t => {
  const cable = await startCable(t, FLAGS)
  const raw = openRaw(t, cable.url.broadcast)
  raw.write('POST /_broadcast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')

  await raw.until(/ 401 /)
  const piece = Buffer.from(`100000\r\n${'x'.repeat(0x100000)}\r\n`)
  let pieces = 0
  while (await raw.written(piece)) pieces++

  assert.ok(pieces >= 16 && pieces < 32, `${pieces} MiB`)
})

test('the cable reads a refused body that dribbles for a bounded time', async t => {
  const cable = await startCable(t, ['--handshake_timeout=3600'])
  const raw = openRaw(t, cable.url.broadcast, { allowHalfOpen: true })
  raw.write('POST /_broadcast HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx')

  assert.match(await raw.closed, / 401 /)
})

test('a client with too large headers can read the refusal', async t => {
  const cable = await startCable(t)
  const raw = openRaw(t, cable.url.broadcast)
  raw.socket.pause()

  await raw.written(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${LARGE}\r\n\r\n`)
  raw.socket.resume()

  assert.match(await raw.closed, /^HTTP\/1.1 431 /)
})
