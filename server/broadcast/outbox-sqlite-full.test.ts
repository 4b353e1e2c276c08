/** An outbox in SQLite on a disk that is full for a while. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { mountSmallDisk, NO_SMALL_DISK } from '../../testing/small-disk.ts'
import { says } from '../test/redis-cable.ts'
import { startCable, turbo } from '../test/test-cable.ts'
import { open } from './outbox-sqlite.ts'

test('on a full disk the cable publishes what is in the table, says so, and deletes it once there is space', {
  skip: NO_SMALL_DISK,
}, async t => {
  const disk = mountSmallDisk(t, { kib: 1_024 })
  const path = join(disk.folder, 'app.sqlite')
  await open(`sqlite:${path}`).apply()
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL')
  t.after(() => database.close())
  const insert = (data: string) =>
    database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)').run(JSON.stringify({ stream: 'a', data }))
  const left = () => (database.prepare('SELECT count(*) AS rows FROM hotcable_outbox').get() as { rows: number }).rows
  const cable = await startCable(t, ['--noauth', '--broadcast_adapter=http,outbox', `--outbox=sqlite:${path}`])
  await says(cable, /^200 ready$/)
  const client = await cable.welcomed()
  await client.confirmed(turbo('a'))
  insert('one')
  insert('two')
  disk.fill()

  for (const text of ['one', 'two']) assert.equal((await client.next()).message, text)
  await says(cable, /^200 ready; .*its disk is full/)
  assert.throws(() => insert('x'.repeat(10_000)), /full/)
  disk.free()
  while (left() > 0) await pause(20)
  await says(cable, /^200 ready$/)
  insert('three')
  assert.equal((await client.next()).message, 'three')
})
