/** An outbox in a SQLite file, with a real cable that consumes it and apps that write to it. */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startCable as startProcess } from '../../testing/cable.ts'
import { type Client, connect, type Frame } from '../../testing/client.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { startRedisCable } from '../test/redis-nodes.ts'
import { startCable, type TestCable, turbo } from '../test/test-cable.ts'
import { open } from './outbox-sqlite.ts'

const publication = (data: string, stream = 'a', meta?: object) => JSON.stringify({ stream, data, meta })

interface App {
  readonly path: string
  readonly flags: string[]
  readonly database: DatabaseSync
  /** Inserts rows in one transaction. */
  insert: (...publications: (string | Uint8Array)[]) => void
  rows: () => { id: number; publication: string; refused: string | null; reason: string | null }[]
}

/** A database of an app, with an empty outbox. */
async function startApp(t: TestContext, { journal = 'WAL' } = {}): Promise<App> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-outbox-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'app.sqlite')
  await open(`sqlite:${path}`).apply()
  return connectApp(t, path, journal)
}

function connectApp(t: TestContext, path: string, journal: string): App {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  database.exec(`PRAGMA journal_mode = ${journal}`)
  t.after(() => database.isOpen && database.close())
  return {
    path,
    flags: ['--noauth', '--broadcast_adapter=http,outbox', `--outbox=sqlite:${path}`],
    database,
    insert(...publications) {
      database.exec('BEGIN IMMEDIATE')
      const insert = database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)')
      for (const one of publications) insert.run(one)
      database.exec('COMMIT')
    },
    rows: () => database.prepare('SELECT * FROM hotcable_outbox ORDER BY id').all() as never,
  }
}

const ready = async (cable: TestCable): Promise<string> =>
  await (await fetch(new URL('/ready', cable.url.cable.replace('ws', 'http')))).text()

/** Waits until the answer of /ready matches. */
async function becomes(cable: TestCable, pattern: RegExp): Promise<void> {
  while (!pattern.test(await ready(cable))) await pause(10)
}

/** Waits until the table has so many rows. */
async function shrinks(app: App, rows: number): Promise<void> {
  while (app.rows().length !== rows) await pause(20)
}

async function listener(cable: TestCable): Promise<Client> {
  await becomes(cable, /^ready/)
  const client = await cable.welcomed()
  await client.subscribe(turbo('a'))
  return client
}

const messages = (frames: readonly Frame[]): unknown[] => frames.map(({ message }) => message)

for (const journal of ['WAL', 'DELETE']) {
  test(`rows become messages in the order of their commits, and leave the table: journal ${journal}`, async t => {
    const app = await startApp(t, { journal })
    const client = await listener(await startCable(t, app.flags))
    app.insert(publication('one'), publication('two'))
    app.insert(publication('three'))

    assert.deepEqual(messages(await client.until(({ message }) => message === 'three')), ['one', 'two', 'three'])
    await shrinks(app, 0)
  })
}

test('a row of a transaction that is rolled back is never sent', async t => {
  const app = await startApp(t)
  const client = await listener(await startCable(t, app.flags))
  app.database.exec('BEGIN IMMEDIATE')
  app.database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)').run(publication('no'))
  app.database.exec('ROLLBACK')
  app.insert(publication('yes'))

  assert.equal((await client.next()).message, 'yes')
})

test('rows that waited while the cable was down are published when it starts', async t => {
  const app = await startApp(t)
  app.insert(...Array.from({ length: 1_200 }, (_, n) => publication(`${n}`, 'a')))
  const cable = await startCable(t, app.flags)
  await becomes(cable, /^ready/)
  await shrinks(app, 0)
  app.insert(publication('late'))
  await shrinks(app, 0)

  assert.equal(((await cable.stats()) as unknown as { history: { offset: number } }).history.offset, 1_201)
})

test('a row that the cable cannot publish is set aside with the reason, and the next one is not late', async t => {
  const app = await startApp(t)
  const cable = await startCable(t, [...app.flags, '--max_broadcast_size=1000', '--metrics_http=/metrics'])
  const client = await listener(cable)
  const bad = ['no JSON', '{}', publication('x'.repeat(2_000)), new Uint8Array([1, 2])]
  app.insert(...bad, publication('good'))

  assert.equal((await client.next()).message, 'good')
  await shrinks(app, bad.length)
  while (app.rows().some(({ refused }) => refused === null)) await pause(20)
  const reasons = ['publication_malformed', 'publication_malformed', 'too_large', 'too_large']
  assert.deepEqual(
    app.rows().map(({ reason }) => reason?.replace(/:.*/s, '')),
    reasons,
  )
  const text = await (await fetch(cable.url.metrics!)).text()
  assert.match(text, /outbox_refused_rows_total 4\n/)
  assert.match(text, /outbox_rows_total 1\n/)
})

test('a row has an id, so a page gets it once: its name, or the id of the publication', async t => {
  const app = await startApp(t)
  const cable = await startCable(t, app.flags)
  const client = await listener(cable)
  const named = publication('named', 'a', { id: 'mine' })
  app.insert(named, named)
  app.database.prepare('INSERT INTO hotcable_outbox (name, publication) VALUES (?, ?)').run('n', publication('row'))
  app.database.prepare('INSERT INTO hotcable_outbox (name, publication) VALUES (?, ?)').run('n', publication('row'))
  app.insert(publication('end'))

  assert.deepEqual(messages(await client.until(({ message }) => message === 'end')), ['named', 'row', 'end'])
})

test('one cable consumes the table, admits clients and is ready; the next one takes over when it stops', async t => {
  const app = await startApp(t)
  const first = await startCable(t, app.flags)
  const client = await listener(first)
  const second = await startCable(t, app.flags)
  await becomes(second, /another cable consumes the outbox/)
  await assert.rejects(second.welcomed())
  app.insert(publication('one'))
  assert.equal((await client.next()).message, 'one')

  const closed = first.close()
  const next = await listener(second)
  app.insert(publication('two'))
  assert.equal((await next.next()).message, 'two')
  await closed
})

test('of cables that share a broker one consumes the table, and all admit clients, also while it changes', {
  skip: NO_REDIS,
}, async t => {
  const app = await startApp(t)
  const redis = await startRedis(t)
  const first = await startRedisCable(t, redis, app.flags)
  await becomes(first, /^ready/)
  const second = await startRedisCable(t, redis, app.flags)
  const client = await listener(second)
  app.insert(publication('one'))
  assert.equal((await client.next()).message, 'one')

  await first.close()
  app.insert(publication('two'))
  assert.equal((await client.next()).message, 'two')
  assert.equal(await ready(second), 'ready')
})

test('while the database has no table, or is gone, /ready says so; then the cable goes on', async t => {
  const app = await startApp(t)
  app.database.exec('ALTER TABLE hotcable_outbox RENAME TO elsewhere')
  const cable = await startCable(t, app.flags)
  await becomes(cable, /the outbox is away/)
  app.database.exec('ALTER TABLE elsewhere RENAME TO hotcable_outbox')
  const client = await listener(cable)
  app.insert(publication('one'))
  assert.equal((await client.next()).message, 'one')

  app.database.close()
  renameSync(app.path, `${app.path}.old`)
  await becomes(cable, /the outbox is away/)
  await open(`sqlite:${app.path}`).apply()
  const fresh = connectApp(t, app.path, 'WAL')
  await becomes(cable, /^ready/)
  fresh.insert(publication('two'))
  assert.equal((await client.next()).message, 'two')
})

test('a writer that holds its lock for seconds delays no row of others', async t => {
  const app = await startApp(t)
  const client = await listener(await startCable(t, app.flags))
  app.insert(publication('one'))
  assert.equal((await client.next()).message, 'one')
  app.database.exec('BEGIN IMMEDIATE')
  app.database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)').run(publication('two'))
  // (Meanwhile the cable wants to delete.)
  await pause(1_500)
  app.database.exec('COMMIT')

  assert.equal((await client.next()).message, 'two')
  await shrinks(app, 0)
})

test('the app may empty the table, and let its ids begin anew', async t => {
  const app = await startApp(t)
  const client = await listener(await startCable(t, app.flags))
  for (const wanted of ['one', 'two', 'three']) {
    app.insert(publication(wanted))
    assert.equal((await client.next()).message, wanted)
    app.database.exec("DELETE FROM hotcable_outbox; DELETE FROM sqlite_sequence WHERE name = 'hotcable_outbox'")
  }
})

test('commits of the app to its other tables do not wake the cable', async t => {
  const app = await startApp(t)
  const table = open(`sqlite:${app.path}`).table({ maxBytes: 1_000 })
  t.after(() => table.close())
  // (Its thread does not keep the process alive.)
  const alive = setInterval(() => {}, 60_000)
  t.after(() => clearInterval(alive))
  await table.open()
  await table.read()
  let isOver = false
  const writing = (async () => {
    app.database.exec('CREATE TABLE cards (votes)')
    for (let n = 0; n < 20; n++) {
      app.database.exec('INSERT INTO cards VALUES (1)')
      await pause(50)
    }
    isOver = true
    app.insert(publication('one'))
  })()
  let wakes = 0
  for (; (await table.read()).length === 0; await table.changed()) if (!isOver) wakes++
  await writing

  // (It also wakes every two seconds.)
  assert.ok(wakes < 5, `${wakes} times`)
})

test('a cable that is killed again and again loses no row', async t => {
  const app = await startApp(t)
  const got = new Set<string>()
  let [written, kills] = [0, 0]
  const writing = setInterval(() => app.insert(publication(`row ${written++}`)), 3)
  t.after(() => clearInterval(writing))
  while (kills < 6) {
    const cable = await startProcess([
      '--secret=canary-outbox',
      '--public_streams',
      '--history_limit=10000',
      ...app.flags,
    ])
    t.after(() => cable.stop('SIGKILL'))
    const client = await connect(t, cable.url)
    const identifier = JSON.stringify({ channel: '$pubsub', stream_name: 'a' })
    client.command('subscribe', identifier, { history: { since: 1 } })
    let killed: Promise<unknown> | undefined
    for (let frames = 0; ; ) {
      // (What the cable wrote before its end still arrives.)
      const frame = await client.next().catch(() => undefined)
      if (frame === undefined) break
      if (typeof frame.message !== 'string') continue
      got.add(frame.message)
      if (++frames === 60) killed = cable.stop('SIGKILL')
    }
    assert.ok(killed !== undefined)
    await killed
    kills++
  }
  clearInterval(writing)
  for (const { publication } of app.rows()) got.add(JSON.parse(publication).data)

  assert.deepEqual(
    Array.from({ length: written }, (_, n) => `row ${n}`).filter(row => !got.has(row)),
    [],
  )
})
