import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { openRaw } from '../testing/raw.ts'
import { createCableProxy } from './cable-proxy.ts'
import { PortInUse, serve } from './serve.ts'
import { DEAD } from './testing.ts'

const cable = createCableProxy({ to: DEAD })
const options = { fetch: () => new Response('ok'), cable, port: 0 }

test('the server listens on every interface', async t => {
  const server = await serve(options)
  t.after(server.close)

  assert.equal(await (await fetch(`http://127.0.0.1:${server.port}/`)).text(), 'ok')
})

test('an error names the port that is in use, and the fix', async t => {
  const first = await serve({ ...options, host: '127.0.0.1' })
  t.after(first.close)

  await assert.rejects(serve({ ...options, host: '127.0.0.1', port: first.port }), error => {
    assert.ok(error instanceof PortInUse)
    assert.match(error.message, new RegExp(`port ${first.port} is in use`))
    return true
  })
})

test('closing waits for an answer that is being sent', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<Response>()
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const server = await serve({
    ...options,
    fetch: () => {
      ask()
      return answer
    },
  })
  const response = fetch(`http://127.0.0.1:${server.port}/`)
  await asked

  const closed = server.close()
  resolve(new Response('late'))

  assert.equal(await (await response).text(), 'late')
  await closed
})

/** A server that answers with the request; `ask` writes to one connection, and resolves with all received text. */
async function echo(t: TestContext) {
  const server = await serve({
    ...options,
    fetch: async request => {
      const { pathname, host } = new URL(request.url)
      return new Response(`${pathname} ${(await request.text()).length} ${host} ${request.headers.get('host')};`)
    },
  })
  t.after(server.close)
  return () => {
    const socket = connect(server.port, '127.0.0.1')
    t.after(() => socket.destroy())
    let heard = ''
    return async (head: string, body = '', until = /;$/) => {
      heard = ''
      socket.write(Buffer.from(`${head}\r\n\r\n${body}`, 'latin1'))
      for await (const data of socket.iterator({ destroyOnReturn: false })) {
        heard += data
        if (until.test(heard)) break
      }
      return heard
    }
  }
}

const H2C = 'Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB'

test('the server answers a client that offers HTTP/2, request after request', async t => {
  const ask = (await echo(t))()

  assert.match(await ask(`GET /a HTTP/1.1\r\n${H2C}`), /200 OK.*\/a 0 a/s)
  assert.match(await ask(`POST /b HTTP/1.1\r\n${H2C}\r\nContent-Length: 70000`, 'x'.repeat(70_000)), /\/b 70000 a/)
  assert.match(await ask('GET /c HTTP/1.1\r\nHost: a'), /\/c 0 a/)
})

test('the server accepts a WebSocket at the cable’s path, with any other offers; elsewhere it answers the request', async t => {
  const open = await echo(t)
  const offer = (path: string, upgrade: string) =>
    open()(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}`, '', /;$|not answering/)

  for (const upgrade of ['websocket', 'h2c, websocket', 'WebSocket'])
    assert.match(await offer('/cable?jid=x', upgrade), /^HTTP\/1.1 502 .*The cable is not answering/s)
  for (const path of ['/', '/cable/', '/python/cable']) assert.match(await offer(path, 'websocket'), /^HTTP\/1.1 200 /)
  assert.match(await offer('/cable', 'h2c'), /\/cable 0/)
})

test('HTTP/1.0 works without a host, and the server keeps an idle connection longer than balancers do', async t => {
  const open = await echo(t)

  assert.match(await open()('GET /health HTTP/1.0'), /200 OK.*\/health 0 localhost null;/s)
  assert.match(await open()('GET / HTTP/1.1', '', /close/), /^HTTP\/1.1 400 /)
  assert.match(await open()('GET / HTTP/1.1\r\nHost: a'), /Keep-Alive: timeout=75\r\n/)
})

for (const [host, inUrl] of [
  ['', 'localhost'],
  ['board.test:3000', 'board.test:3000'],
  ['BOARD.test', 'board.test'],
  ['[::1]:3000', '[::1]:3000'],
  ['[0:0:0:0:0:0:0:1]', 'localhost'],
  ['a_b.', 'a_b.'],
  ['a:', 'localhost'],
  ['a:99999', 'localhost'],
  ['1.2.3.4.5', 'localhost'],
  ['127.1', 'localhost'],
  ['caf%C3%A9', 'localhost'],
  ["a!$&'()*+,;=~b", "a!$&'()*+,;=~b"],
] as const) {
  test(`the server answers a request with the legal host «${host}»`, async t => {
    const answer = await (await echo(t))()(`GET /x HTTP/1.1\r\nHost: ${host}`)

    assert.ok(answer.endsWith(`/x 0 ${inUrl} ${host};`), answer)
  })
}

for (const host of ['user@host', 'a b', 'a/b', '::1', '[::1', 'a:http', 'caf\xe9', 'a%zz']) {
  test(`the server answers the illegal host «${host}» with 400`, async t => {
    assert.match(await (await echo(t))()(`GET / HTTP/1.1\r\nHost: ${host}`, '', /host\.\n/), /^HTTP\/1.1 400 /)
  })
}

test('a client that still writes gets the answer to a header that is too long', async t => {
  const server = await serve(options)
  t.after(server.close)
  const raw = openRaw(t, server.url, { allowHalfOpen: true })
  const head = `GET / HTTP/1.1\r\nHost: x\r\nCookie: a=${'x'.repeat(60_000)}`
  await raw.written(head)
  await raw.until(/^HTTP\/1\.1 431 /)

  // (A write to a connection that was reset fails.)
  for (let left = 20; left > 0; left--)
    assert.ok(!(await new Promise(resolve => raw.socket.write(head, error => resolve(error)))))
})
