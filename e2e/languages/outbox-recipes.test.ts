/**
 * docs/outbox-recipes.md: each recipe, extracted from the page, votes in its own process while this one writes to the same database,
 * and a client of a real cable reads what it broadcasts.
 */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { missing } from '../../backends/harness/toolchain.ts'
import { turboStream } from '../../backends/typescript/hotcable.ts'
import type { RunningCable } from '../../testing/cable.ts'
import {
  listen,
  makeFolder,
  messages,
  runProgram,
  sectionOf,
  shown,
  startOutboxCable,
  TITLES,
  writeProgram,
} from './outbox-program.ts'
import { PROGRAMS } from './outbox-recipes.ts'

let folder: string
let database: DatabaseSync
let cable: RunningCable

before(async () => {
  folder = makeFolder()
  const path = join(folder, 'app.sqlite')
  cable = await startOutboxCable(`sqlite:${path}`)
  database = new DatabaseSync(path, { timeout: 60_000 })
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE cards (id INTEGER PRIMARY KEY, votes INTEGER NOT NULL DEFAULT 0)',
  )
})

after(async () => {
  await cable?.stop()
  database?.close()
  rmSync(folder, { recursive: true })
})

test('every section of the page has a test', () => {
  const others = ['node-postgres', 'psql', 'A trigger']

  assert.deepEqual(TITLES.toSorted(), [...Object.keys(PROGRAMS), ...others].sort())
})

for (const [title, program] of Object.entries(PROGRAMS)) {
  test(`a vote and its message are one transaction, which waits for other writers: ${title}`, async t => {
    if (!(await program.needs.isPresent())) {
      console.error(`\n!!! ${missing(program.needs)}\n`)
      assert.ok(program.needs.isExtra || process.env.CI !== 'true', `${program.needs.title} is not installed`)
      return t.skip(`${program.needs.title} is not installed`)
    }
    writeProgram(folder, title, program)
    const [first, second] = [newCard(), newCard()]
    const client = await listen(t, cable)
    const stop = keepWriting()

    const stdout = await runProgram(folder, program, [first, second]).finally(stop)

    assert.match(stdout, /^refused: .*three votes are enough/)
    assert.deepEqual([votes(first), votes(second)], [3, 1])
    const wanted = [shown(first, 1), shown(first, 2), shown(first, 3), shown(second, 1)]
    assert.deepEqual(await messages(client, shown(second, 1)), wanted)
  })
}

test('a trigger refreshes the pages when a table has changed, and not after a rollback', async t => {
  const [, trigger] = /^```sql\n-- SQLite\n(.*?)^```/ms.exec(sectionOf('A trigger'))!
  database.exec(trigger!)
  t.after(() => database.exec('DROP TRIGGER cards_refresh'))
  const card = newCard()
  const client = await listen(t, cable)

  database.exec(`BEGIN IMMEDIATE; UPDATE cards SET votes = 7 WHERE id = ${card}; ROLLBACK`)
  database.exec(`UPDATE cards SET votes = 8 WHERE id = ${card}`)
  database.exec(`INSERT INTO hotcable_outbox (publication) VALUES ('{"stream":"cards","data":"end"}')`)

  assert.deepEqual(await messages(client, 'end'), [turboStream('refresh'), 'end'])
})

const newCard = (): number => Number(database.prepare('INSERT INTO cards DEFAULT VALUES').run().lastInsertRowid)

const votes = (card: number): unknown => database.prepare('SELECT votes FROM cards WHERE id = ?').get(card)!.votes

/** Has a transaction half of the time: a recipe that does not wait for it fails. Returns how to stop. */
function keepWriting(): () => Promise<void> {
  const own = newCard()
  let isStopped = false
  const writing = (async () => {
    while (!isStopped) {
      database.exec(`BEGIN IMMEDIATE; UPDATE cards SET votes = votes + 1 WHERE id = ${own}`)
      await pause(10)
      database.exec('COMMIT')
      await pause(10)
    }
  })()
  return async () => {
    isStopped = true
    await writing
  }
}
