/**
 * docs/outbox-recipes.md: each recipe, extracted from the page, votes in its own process while this one writes to the same database,
 * and a client of a real cable reads what it broadcasts.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { missing } from '../../backends/harness/toolchain.ts'
import { turboStream } from '../../backends/typescript/hotcable.ts'
import { type RunningCable, startCable, withoutSettings } from '../../testing/cable.ts'
import { type Client, connect } from '../../testing/client.ts'
import { PROGRAMS, type Program } from './outbox-recipes.ts'

const PAGE = readFileSync('docs/outbox-recipes.md', 'utf8')
const STREAM = JSON.stringify({ channel: '$pubsub', stream_name: 'cards' })

let folder: string
let database: DatabaseSync
let cable: RunningCable

before(async () => {
  mkdirSync('tmp', { recursive: true })
  folder = mkdtempSync(resolve('tmp/outbox-recipes-'))
  const path = join(folder, 'app.sqlite')
  const outbox = `--outbox=sqlite:${path}`
  await promisify(execFile)(process.execPath, ['cli/main.ts', 'outbox', '--apply', outbox])
  database = new DatabaseSync(path, { timeout: 60_000 })
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE cards (id INTEGER PRIMARY KEY, votes INTEGER NOT NULL DEFAULT 0)',
  )
  cable = await startCable(['--noauth', '--public_streams', '--broadcast_adapter=http,outbox', outbox])
})

after(async () => {
  await cable?.stop()
  database?.close()
  rmSync(folder, { recursive: true })
})

test('every section of the page has a test', () => {
  const titles = [...PAGE.matchAll(/^## (.+)$/gm)].map(([, title]) => title)

  assert.deepEqual(titles, [...Object.keys(PROGRAMS), 'A trigger'])
})

for (const [title, program] of Object.entries(PROGRAMS)) {
  test(`a vote and its message are one transaction, which waits for other writers: ${title}`, async t => {
    if (!(await program.needs.isPresent())) {
      console.error(`\n!!! ${missing(program.needs)}\n`)
      assert.ok(program.needs.isExtra || process.env.CI !== 'true', `${program.needs.title} is not installed`)
      return t.skip(`${program.needs.title} is not installed`)
    }
    write(title, program)
    const [first, second] = [newCard(), newCard()]
    const client = await listen(t)
    const stop = keepWriting()

    const [command, ...args] = await program.command(folder)
    const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ...program.env?.(folder), PYTHONDONTWRITEBYTECODE: '1' }
    const vote = promisify(execFile)(command, [...args, `${first}`, `${second}`], {
      cwd: folder,
      env,
      timeout: 200_000,
    })
    const { stdout } = await vote.finally(stop)

    assert.match(stdout, /^refused: .*three votes are enough/)
    assert.deepEqual([votes(first), votes(second)], [3, 1])
    const wanted = [shown(first, 1), shown(first, 2), shown(first, 3), shown(second, 1)]
    assert.deepEqual(await messages(client, shown(second, 1)), wanted)
  })
}

test('a trigger refreshes the pages when a table has changed, and not after a rollback', async t => {
  const [, trigger] = /^```sql\n-- SQLite\n(.*?)^```/ms.exec(PAGE)!
  database.exec(trigger!)
  t.after(() => database.exec('DROP TRIGGER cards_refresh'))
  const card = newCard()
  const client = await listen(t)

  database.exec(`BEGIN IMMEDIATE; UPDATE cards SET votes = 7 WHERE id = ${card}; ROLLBACK`)
  database.exec(`UPDATE cards SET votes = 8 WHERE id = ${card}`)
  database.exec(`INSERT INTO hotcable_outbox (publication) VALUES ('{"stream":"cards","data":"end"}')`)

  assert.deepEqual(await messages(client, 'end'), [turboStream('refresh'), 'end'])
})

/** Writes the files of a recipe: its blocks, with what a test adds to them, and the helper. */
function write(title: string, { file, helper, start, end }: Program): void {
  const files = new Map([[file, start]])
  const section = PAGE.split(`\n## ${title}\n`)[1]!.split('\n## ', 1)[0]!
  for (const [, code] of section.matchAll(/^```\w+\n(.*?)^```/gms)) {
    const at = /^# (\S+\.\w+)\n/.exec(code!)?.[1] ?? file
    files.set(at, `${files.get(at) ?? ''}${code}`)
  }
  files.set(file, files.get(file) + end)
  for (const [path, text] of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const to = join(folder, helper.to ?? '', basename(helper.from))
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(join('backends', helper.from), to)
}

const newCard = (): number => Number(database.prepare('INSERT INTO cards DEFAULT VALUES').run().lastInsertRowid)

const votes = (card: number): unknown => database.prepare('SELECT votes FROM cards WHERE id = ?').get(card)!.votes

const shown = (card: number, votes: number): string => turboStream('update', `votes_${card}`, `${votes}`)

async function listen(t: TestContext): Promise<Client> {
  const client = await connect(t, cable.url)
  assert.equal((await client.next()).type, 'welcome')
  await client.confirmed(STREAM)
  return client
}

async function messages(client: Client, last: string): Promise<unknown[]> {
  return (await client.until(({ message }) => message === last)).map(({ message }) => message)
}

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
