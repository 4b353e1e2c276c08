import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { certificate } from '../../testing/certificate.ts'
import { openRaw } from '../../testing/raw.ts'
import { startCable, turbo } from '../test/test-cable.ts'
import { serveUpgrades } from './upgrade.ts'

const H2C = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n'
const WEBSOCKET = [
  'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n',
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
].join('')

for (const [node, asks] of [
  ['a Node that asks', true],
  ['an older Node', false],
] as const) {
  for (const scheme of ['http', 'https'] as const) {
    /** Answers with the request and the size of its body, `/later` only after `/release`; takes WebSockets. */
    const start = async (t: TestContext): Promise<string> => {
      let release = () => {}
      const released = new Promise<void>(resolve => {
        release = resolve
      })
      const answer = async (request: IncomingMessage, response: ServerResponse) => {
        if (request.url === '/later') await released
        if (request.url === '/release') release()
        let bytes = 0
        for await (const chunk of request) bytes += chunk.length
        response.end(`${request.method} ${request.url} ${bytes} ${request.headers['x-name']};`, 'latin1')
      }
      const upgrade = {
        paths: ['/cable'],
        take: ({ headers }: IncomingMessage, socket: NodeJS.WritableStream) =>
          void socket.end(`taken ${headers.upgrade}`),
      }
      const server = serveUpgrades(upgrade, options => {
        const heard = asks ? options : {}
        const [cert, key] = scheme === 'http' ? [] : certificate(t).map(file => readFileSync(file))
        return scheme === 'http' ? createServer(heard, answer) : createSecureServer({ ...heard, cert, key }, answer)
      })
      t.after(() => {
        server.closeAllConnections()
        server.close()
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
    }

    test(`${node}, ${scheme}: the cable ignores an offer of HTTP/2, request after request`, async t => {
      const client = openRaw(t, await start(t))

      client.write(`GET /a HTTP/1.1\r\nX-Name: caf\xe9\r\n${H2C}\r\n`)
      await client.until(/GET \/a 0 caf\xe9;/)
      client.write(`POST /b HTTP/1.1\r\n${H2C}Content-Length: 70000\r\n\r\n${'x'.repeat(35_000)}`)
      client.write('x'.repeat(35_000))
      await client.until(/POST \/b 70000/)
      client.write(`POST /c HTTP/1.1\r\n${H2C}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`)
      await client.until(/100 Continue/)
      client.write('3\r\nabc\r\n0\r\n\r\n')
      await client.until(/POST \/c 3/)
      client.write('GET /d HTTP/1.1\r\nHost: x\r\n\r\n')
      await client.until(/GET \/d 0/)
    })

    test(`${node}, ${scheme}: a request with an offer waits for the answers before it`, async t => {
      const url = await start(t)
      const [client, other] = [openRaw(t, url), openRaw(t, url)]

      client.write(`GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /soon HTTP/1.1\r\n${H2C}\r\n`)
      other.write('GET /release HTTP/1.1\r\nHost: x\r\n\r\n')
      await other.until(/;/)

      await client.until(/GET \/later 0.*GET \/soon 0/s)
    })

    test(`${node}, ${scheme}: the cable opens a WebSocket only on its path, even if the client also offers other protocols`, async t => {
      const url = await start(t)
      const offer = (path: string, upgrade: string, method = 'GET') => {
        const client = openRaw(t, url)
        client.write(
          `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`,
        )
        return client.until(/taken|;/)
      }

      for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket', 'websocket,h2c'])
        assert.match(await offer('/cable?jid=x', upgrade), /taken websocket/, upgrade)
      assert.match(await offer('/', 'websocket'), /GET \/ 0/)
      assert.match(await offer('/cable/', 'websocket'), /GET \/cable\/ 0/)
      assert.match(await offer('/cable', 'h2c'), /GET \/cable 0/)
      assert.match(await offer('/cable', 'websockets'), /GET \/cable 0/)
      assert.match(await offer('/cable', 'websocket', 'DELETE'), /DELETE \/cable 0/)
    })
  }
}

test('the cable serves every route to a client that offers HTTP/2', async t => {
  const cable = await startCable(t, ['--noauth', '--public_streams', '--sse', '--metrics_http=/metrics'])
  const client = await cable.welcomed()
  await client.subscribe(turbo('a'))
  const ask = async (line: string, key = '', body = '') => {
    const raw = openRaw(t, cable.url.broadcast)
    raw.write(`${line} HTTP/1.1\r\n${H2C}Authorization: Bearer ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    return Number((await raw.until(/\r\n\r\n/)).split(' ')[1])
  }
  const publication = (text: string) => JSON.stringify({ stream: 'a', data: JSON.stringify(text) })

  assert.equal(await ask('POST /_broadcast', cable.key, publication('one')), 201)
  assert.equal(await ask('POST /api/publish', cable.apiKey, publication('two')), 201)
  for (const [line, status] of [
    ['GET /health', 200],
    ['GET /ready', 200],
    ['GET /metrics', 200],
    ['GET /events?stream=a', 200],
    ['GET /cable', 400],
    ['GET /nowhere', 404],
    ['POST /_broadcast', 401],
    ['GET /api/stats', 401],
  ] as const)
    assert.equal(await ask(line), status, line)
  assert.deepEqual([(await client.next()).message, (await client.next()).message], ['one', 'two'])
})

test('the cable serves a WebSocket on another path as a request; without a route its answer names the right path', async t => {
  const cable = await startCable(t, ['--noauth', '--path=/cable,/live', '--http_broadcast_port=0'])
  const offer = (url: string, path: string) => {
    const raw = openRaw(t, url)
    raw.write(`GET ${path}?jid=x HTTP/1.1\r\n${WEBSOCKET}\r\n`)
    return raw.until(/\r\n\r\n./)
  }

  assert.match(await offer(cable.url.cable, '/health'), / 200 .*ok/s)
  const slash = await offer(cable.url.cable, '/cable/')
  assert.match(slash, / 404 .*There is no WebSocket at \/cable\/: WebSockets are at \/cable and \/live/s)
  assert.doesNotMatch(slash, /jid/)
  assert.match(await offer(cable.url.broadcast, '/cable'), / 404 .*not_found/s)
})

for (const [about, lines, status, code] of [
  ['an older version', ['Sec-WebSocket-Version: 8'], '426 Upgrade Required', 'websocket_version'],
  ['a newer version', ['Sec-WebSocket-Version: 14'], '426 Upgrade Required', 'websocket_version'],
  ['no version', [], '426 Upgrade Required', 'websocket_version'],
  ['no key', ['Sec-WebSocket-Version: 13'], '400 Bad Request', 'websocket_key'],
  ['a short key', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'], '400 Bad Request', 'websocket_key'],
  [
    'a subprotocol that is not a name',
    ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: a;b'],
    '400 Bad Request',
    'websocket_protocol',
  ],
] as const) {
  test(`the cable answers a handshake with ${about} with ${status.slice(0, 3)} and its reason, and counts it`, async t => {
    const cable = await startCable(t, ['--noauth', '--metrics_http=/metrics'])
    const raw = openRaw(t, cable.url.cable)
    raw.write(
      `GET /cable HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines.join('\r\n')}\r\n\r\n`,
    )

    const answer = await raw.closed
    const metrics = await (await fetch(new URL('/metrics', cable.url.broadcast))).text()

    assert.ok(answer.startsWith(`HTTP/1.1 ${status}\r\n`), answer)
    assert.match(answer, /\r\n\r\n.*Sec-WebSocket-/)
    assert.equal(/^Sec-WebSocket-Version: 13\r$/m.test(answer), status.startsWith('426'))
    assert.match(metrics, new RegExp(`refusals_total\\{code="${code}"\\} 1`))
  })
}
