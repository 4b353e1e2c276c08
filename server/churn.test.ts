/**
 * Coming and going leaves nothing behind: the heap after thousands of sessions is the heap after the first hundreds.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { WebSocket } from 'ws'
import { Client, EXTENDED, startCable, turbo } from './testing.ts'

setFlagsFromString('--expose_gc')
const gc: () => void = runInNewContext('gc')

async function heap(): Promise<number> {
  // Twice, with a turn in between: what a finalizer frees is garbage only then.
  for (let i = 0; i < 2; i++) {
    await new Promise(setImmediate)
    gc()
  }
  return process.memoryUsage().heapUsed
}

test('connecting, subscribing, hearing, leaving and being lost keep the heap flat', async t => {
  const flags = ['--noauth', '--max_lost_sessions=10', '--history_limit=5', '--log_level=error']
  const cable = await startCable(t, [...flags, '--streams_whisper'])
  const round = async (sessions: number) => {
    for (let i = 0; i < sessions; i++) {
      // (Not the usual client, which the test would hold on to until it ends.)
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
  const before = await heap()
  await round(800)
  const grown = (await heap()) - before

  // One session that stays behind is some 5 KB: a hundred of them would show.
  assert.ok(grown < 500_000, `the heap grew by ${grown} bytes in 800 sessions`)
  assert.equal((await cable.stats()).streams, 0)
})
