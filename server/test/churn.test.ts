/**
 * Coming and going leaves nothing behind: the heap after thousands of sessions is the heap after the first hundreds.
 */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { queryObjects } from 'node:v8'
import { WebSocket } from 'ws'
import { Client, EXTENDED } from '../../testing/client.ts'
import { Session } from '../session/session.ts'
import { settled } from './memory.ts'
import { startCable, turbo } from './test-cable.ts'

/** Counts the live sessions and sockets, and the heap's bytes, after garbage collection. */
async function alive() {
  const heap = await settled(() => process.memoryUsage().heapUsed)
  return { sessions: queryObjects(Session), sockets: Number(queryObjects(Socket)), heap }
}

test('clients that connect, subscribe, listen, leave and vanish keep the heap flat', async t => {
  const flags = ['--noauth', '--max_lost_sessions=10', '--history_limit=5', '--log_level=error']
  const cable = await startCable(t, [...flags, '--streams_whisper'])
  const round = async (sessions: number) => {
    for (let i = 0; i < sessions; i++) {
      // (The test would keep a reference to cable.connect's client until it ends.)
      const client = new Client(new WebSocket(cable.url.cable, i % 2 === 0 ? EXTENDED : ['actioncable-v1-json']))
      await client.next()
      const identifier = turbo('a', { position: await cable.position(), i })
      await client.subscribe(identifier)
      await cable.broadcast('a', 'x'.repeat(1000))
      await client.next()
      if (i % 3 === 0) client.send({ command: 'unsubscribe', identifier })
      client.ws.terminate()
    }
    await cable.until(({ sessions }) => sessions === 0)
    cable.lines.length = 0
  }
  await round(500)
  const before = await alive()
  await round(800)
  let after = await alive()
  // A closing socket disappears after a few looks; a leaked socket stays.
  for (let look = 0; look < 100 && after.sockets > before.sockets + 2; look++) after = await alive()

  assert.equal(after.sessions, 0)
  assert.ok(after.sockets <= before.sockets + 2, `${after.sockets} sockets`)
  // 800 leaked sessions would hold some 4 MB; the engine's warm-up takes a tenth of that.
  assert.ok(after.heap - before.heap < 1_000_000, `the heap grew by ${after.heap - before.heap} bytes`)
  assert.equal((await cable.stats()).streams, 0)
})
