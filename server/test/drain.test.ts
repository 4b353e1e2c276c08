/**
 * An orderly stop: the cable is not ready, admits no client, disconnects a few clients at a time, and serves backends last.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startCable, type TestCable, turbo } from './test-cable.ts'

const COUNT = 200

/** How many subscriptions the one stream has. */
async function listeners({ url, apiKey }: TestCable): Promise<number> {
  const answer = await fetch(`${url.api}/streams`, { headers: { authorization: `Bearer ${apiKey}` } })
  const { streams } = (await answer.json()) as { streams: { subscriptions: number }[] }
  return streams[0]?.subscriptions ?? 0
}

test('a stopping cable disconnects its clients step by step, broadcasts to the others, and admits no new client', async t => {
  const cable = await startCable(t, ['--noauth', '--shutdown_drain=2', '--shutdown_timeout=30', '--sse'])
  // Twenty steps leave enough time for the requests below.
  const clients = await Promise.all(Array.from({ length: COUNT }, () => cable.welcomed()))
  for (const client of clients) await client.subscribe(turbo('a'))
  const ready = () => fetch(cable.url.cable.replace('ws', 'http').replace('/cable', '/ready'))
  assert.equal((await ready()).status, 200)
  const ends = clients.map(async client => {
    const frames = await client.until(({ type }) => type === 'disconnect')
    return frames.length > 1
  })

  const closing = cable.close()
  assert.equal((await ready()).status, 503)
  await Promise.race(ends)
  await cable.broadcast('a', 'meanwhile')
  const left = await listeners(cable)
  const late = new WebSocket(cable.url.cable)
  const [, response] = await once(late, 'unexpected-response')
  assert.equal(response.statusCode, 503)
  await closing
  assert.match(cable.lines.join(''), /request refused: the cable is stopping.* code=draining/)

  const heard = (await Promise.all(ends)).filter(Boolean).length
  assert.ok(left > 0 && left < COUNT, `not all at once: ${left} were left`)
  assert.ok(heard >= left && heard < COUNT, `${heard} heard it, and ${left} were left afterwards`)
})

test('a shutdown delay changes readiness only', async t => {
  const cable = await startCable(t, ['--noauth', '--shutdown_delay=3', '--shutdown_timeout=20'])
  const client = await cable.welcomed()
  const closing = cable.close()
  client.send({ command: 'ping' })

  assert.equal((await client.next()).type, 'pong')
  assert.equal((await client.next()).reason, 'server_restart')
  await closing
})
