import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createCableProxy } from './cable-proxy.ts'
import { bodyOf, DEAD, listen } from './testing.ts'
import { serveUpgrades } from './upgrade.ts'

const H2C = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n'

for (const [node, asks] of [
  ['a Node that asks', true],
  ['an older Node', false],
] as const) {
  /** Answers with the request and the size of its body, `/later` only after `/release`. Its cable does not answer. */
  const start = async (t: TestContext) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const server = serveUpgrades(createCableProxy({ to: DEAD }), options =>
      createServer(asks ? options : {}, async (request, response) => {
        if (request.url === '/later') await released
        if (request.url === '/release') release()
        const { length } = await bodyOf(request)
        response.end(`${request.method} ${request.url} ${length} ${request.headers['x-name']};`, 'latin1')
      }),
    )
    const { port } = await listen(t, server)
    return () => {
      const socket = connect(port, '127.0.0.1')
      t.after(() => socket.destroy())
      let heard = ''
      socket.setEncoding('latin1').on('data', data => {
        heard += data
      })
      /** Writes, and resolves once all received text matches; rejects if the server closes before. */
      return async (text: string, until: RegExp) => {
        socket.write(text, 'latin1')
        while (!until.test(heard) && !socket.closed) await Promise.race([once(socket, 'data'), once(socket, 'close')])
        assert.match(heard, until)
      }
    }
  }

  test(`${node}: an offer of HTTP/2 is ignored, request after request`, async t => {
    const say = (await start(t))()

    await say(`GET /a HTTP/1.1\r\nX-Name: caf\xe9\r\n${H2C}\r\n`, /GET \/a 0 caf\xe9;/)
    const half = 'x'.repeat(35_000)
    await say(`POST /b HTTP/1.1\r\n${H2C}Content-Length: 70000\r\n\r\n${half}`, /;/)
    await say(half, /POST \/b 70000/)
    await say(`POST /c HTTP/1.1\r\n${H2C}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n`, /100 Continue/)
    await say('3\r\nabc\r\n0\r\n\r\n', /POST \/c 3/)
    await say('GET /d HTTP/1.1\r\nHost: x\r\n\r\n', /GET \/d 0/)
  })

  test(`${node}: a request with an offer waits for the answers before it`, async t => {
    const open = await start(t)
    const [say, other] = [open(), open()]

    const both = say(
      `GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /soon HTTP/1.1\r\n${H2C}\r\n`,
      /GET \/later 0.*GET \/soon 0/s,
    )
    await other('GET /release HTTP/1.1\r\nHost: x\r\n\r\n', /;/)

    await both
  })

  test(`${node}: only a WebSocket at the cable’s path goes to the cable; every other request is served`, async t => {
    const open = await start(t)
    const offer = (path: string, upgrade: string, until: RegExp) =>
      open()(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`, until)

    for (const upgrade of ['websocket', 'h2c, websocket', 'WebSocket'])
      await offer('/cable?jid=x', upgrade, /^HTTP\/1.1 502 .*The cable is not answering/s)
    for (const path of ['/', '/cable/', '/python/cable', '//evil.example/cable'])
      await offer(path, 'websocket', /^HTTP\/1.1 200 .*GET .* 0/s)
    await offer('/cable', 'h2c', /^HTTP\/1.1 200 .*GET \/cable 0/s)
  })
}
