/**
 * Leaving in order: not ready, nobody new, clients a few at a time, backends to the last.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startCable, turbo } from './testing.ts'

test('clients are sent away over a while; whoever is left still gets what is broadcast; nobody new comes in', async t => {
  const cable = await startCable(t, ['--noauth', '--shutdown_drain=1', '--shutdown_timeout=5', '--sse'])
  const clients = await Promise.all(Array.from({ length: 40 }, () => cable.welcomed()))
  for (const client of clients) await client.subscribe(turbo('a'))
  const ready = () => fetch(cable.url.cable.replace('ws', 'http').replace('/cable', '/ready'))
  assert.equal((await ready()).status, 200)
  const ends = clients.map(async client => {
    const frames = await client.until(({ type }) => type === 'disconnect')
    return { at: performance.now(), heard: frames.length > 1 }
  })

  const closing = cable.close()
  assert.equal((await ready()).status, 503)
  await cable.broadcast('a', 'meanwhile')
  const late = new WebSocket(cable.url.cable)
  const [, response] = await once(late, 'unexpected-response')
  assert.equal(response.statusCode, 503)
  await closing

  const told = await Promise.all(ends)
  const times = told.map(({ at }) => at)
  assert.ok(Math.max(...times) - Math.min(...times) > 200, 'not all at once')
  assert.ok(told.filter(({ heard }) => heard).length >= 20, 'those who were left heard it')
})

test('a delay keeps everything as it is, but for readiness', async t => {
  const cable = await startCable(t, ['--noauth', '--shutdown_delay=1', '--shutdown_timeout=5'])
  const client = await cable.welcomed()
  const closing = cable.close()
  client.send({ command: 'ping' })

  assert.equal((await client.next()).type, 'pong')
  assert.equal((await client.next()).reason, 'server_restart')
  await closing
})
