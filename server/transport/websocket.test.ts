import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { ClientSocket } from './socket.ts'
import { DirectWebSocket } from './websocket.ts'

/** The server's end of a connection. */
async function accepted(t: TestContext): Promise<DirectWebSocket> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, WebSocket: DirectWebSocket })
  t.after(() => server.close())
  await once(server, 'listening')
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.after(() => client.terminate())
  const [[ws]] = await Promise.all([once(server, 'connection'), once(client, 'open')])
  return ws
}

test('an event that the connection does not handle reaches the listeners of the WebSocket', async t => {
  const ws = await accepted(t)
  ws.connection = { closed() {} } as ClientSocket
  const heard: unknown[] = []
  ws.on('redirect', (...about) => heard.push(about))

  assert.equal(ws.emit('redirect', 'elsewhere'), true)
  assert.equal(ws.emit('upgrade'), false)

  assert.deepEqual(heard, [['elsewhere']])
})

test('an event that the connection handles needs no listener', async t => {
  const ws = await accepted(t)
  const taken: unknown[] = []
  const takes = (name: string) => (value: unknown) => taken.push([name, value])
  ws.connection = { received: takes('message'), failed: takes('error'), closed() {} } as unknown as ClientSocket

  assert.equal(ws.emit('message', 'hello', false), true)
  assert.equal(ws.emit('error', 'broken'), true)

  assert.deepEqual(taken, [
    ['message', 'hello'],
    ['error', 'broken'],
  ])
})

test('package.json pins one version of ws, because we override its emit', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

  assert.match(dependencies.ws, /^\d+\.\d+\.\d+$/)
})
