import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { createCableProxy } from './cable-proxy.ts'
import { DEAD, listen, type RunningServer } from './testing.ts'
import { serveUpgrades } from './upgrade.ts'

/** A cable that accepts any WebSocket, and hands its socket to the test. */
async function cableStub(t: TestContext) {
  const server = createServer()
  const taken = new Promise<{ request: IncomingMessage; socket: Socket }>(resolve => {
    server.on('upgrade', (request, socket) => {
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: a\r\n\r\n',
      )
      resolve({ request, socket: socket as Socket })
    })
  })
  return { ...(await listen(t, server)), taken }
}

async function webStub(t: TestContext, cable: string) {
  const proxy = createCableProxy({ to: cable })
  t.after(proxy.close)
  const server = serveUpgrades(proxy, options => createServer(options, (_, response) => response.end('ok')))
  return { ...(await listen(t, server)), proxy }
}

/** Sends a browser's handshake; resolves with the socket and the first data of the answer. */
async function open({ port }: RunningServer, path = '/cable?jid=x', more = '') {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: board.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://o\r\n${more}\r\n`,
  )
  const [answer] = await once(socket, 'data')
  return { socket, answer: String(answer) }
}

const gone = (socket: Socket) => Promise.race([once(socket, 'end'), once(socket, 'close')])

test('a WebSocket works both ways, and the cable gets the headers that it needs', async t => {
  const cable = await cableStub(t)
  const web = await webStub(t, cable.url)

  const { socket, answer } = await open(web)
  const { request, socket: upstream } = await cable.taken
  upstream.write('from the cable')
  const [down] = await once(socket, 'data')
  socket.write('from the page')
  const [up] = await once(upstream, 'data')

  assert.match(answer, /^HTTP\/1.1 101 [\s\S]*sec-websocket-protocol: a/i)
  assert.deepEqual(
    [request.url, request.headers.host, request.headers.origin],
    ['/cable?jid=x', 'board.example', 'http://o'],
  )
  assert.deepEqual([String(down), String(up)], ['from the cable', 'from the page'])
  socket.destroy()
})

for (const [how, end] of [
  ['breaks off', (socket: Socket) => socket.resetAndDestroy()],
  ['ends', (socket: Socket) => socket.end()],
] as const) {
  test(`the cable sees at once that a page ${how}`, async t => {
    const cable = await cableStub(t)
    const { socket } = await open(await webStub(t, cable.url))
    const { socket: upstream } = await cable.taken
    upstream.on('error', () => {})
    upstream.resume()

    end(socket)

    await gone(upstream)
  })

  test(`a page sees at once that the cable ${how}`, async t => {
    const cable = await cableStub(t)
    const { socket } = await open(await webStub(t, cable.url))
    const { socket: upstream } = await cable.taken
    socket.resume()

    end(upstream)

    await once(socket, 'close')
  })
}

test('the last message of a cable that stops arrives', async t => {
  const cable = await cableStub(t)
  const { socket } = await open(await webStub(t, cable.url))
  const { socket: upstream } = await cable.taken
  let bytes = 0
  socket.on('data', data => {
    bytes += data.length
  })

  upstream.end(Buffer.alloc(1_000_000))
  await once(socket, 'close')

  assert.equal(bytes, 1_000_000)
})

test('web answers 502 while the cable is down, and keeps running', async t => {
  const web = await webStub(t, DEAD)

  const { answer } = await open(web)

  assert.match(answer, /^HTTP\/1.1 502 /)
  assert.equal((await fetch(web.url)).status, 200)
})

test('web keeps running when a page leaves during the handshake', async t => {
  const { promise: asked, resolve } = Promise.withResolvers<Socket>()
  const server = createServer()
  server.on('upgrade', (_, socket) => resolve(socket as Socket))
  const cable = await listen(t, server)
  const web = await webStub(t, cable.url)
  const socket = connect(web.port, '127.0.0.1')
  socket.write('GET /cable HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const upstream = await asked
  upstream.on('error', () => {})
  upstream.resume()

  socket.resetAndDestroy()

  await gone(upstream)
  assert.equal((await fetch(web.url)).status, 200)
})

test('a refusal of the cable reaches the browser unchanged', async t => {
  const server = createServer()
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'))
  const cable = await listen(t, server)

  const { answer } = await open(await webStub(t, cable.url))

  assert.match(answer, /^HTTP\/1.1 403 Forbidden/)
})

test('only /cable accepts WebSockets', async t => {
  const web = await webStub(t, DEAD)

  for (const path of ['/', '/cable/', '/python/cable', '//evil.example/cable']) {
    assert.match((await open(web, path)).answer, /^HTTP\/1.1 200 /, path)
  }
})

test('close() cuts every open connection', async t => {
  const cable = await cableStub(t)
  const web = await webStub(t, cable.url)
  const { socket } = await open(web)
  socket.resume()

  web.proxy.close()

  await once(socket, 'close')
})
