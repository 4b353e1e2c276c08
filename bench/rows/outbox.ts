/**
 * The outbox: the time from COMMIT to the page, what an idle cable costs, and a thousand rows a second.
 *
 * The database and the page share the core of the bench, so their times are part of the figures.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { openOutboxDatabase } from '../../server/broadcast/outbox-databases.ts'
import { connect } from '../../testing/client.ts'
import { type Ends, withEnds } from '../../testing/ends.ts'
import { NO_POSTGRES, startPostgres } from '../../testing/postgres.ts'
import { type Bench, withServer } from '../bench.ts'
import { quantile } from '../figures.ts'
import { hotcable } from '../peers/cables.ts'
import { cpuMs } from '../process.ts'

const RATE = 1_000
/** Rows of one transaction at this rate. */
const LIST = 10
/** After this time without a row the cable looks less often. */
const AT_REST_MS = 2_100
const PATIENCE_MS = 30_000
const STREAM = 'outbox'

interface Store {
  readonly url: string
  /** Inserts rows in one transaction. */
  insert: (publications: readonly string[]) => void | Promise<void>
  count: () => number | Promise<number>
}

/** What a measurement leaves to be ended, the last one first. */
const STORES = { SQLite: openSqlite, PostgreSQL: openPostgres } as const

export async function outbox(bench: Bench): Promise<void> {
  await withIdle(bench, [], 'without an outbox')
  for (const [name, open] of Object.entries(STORES)) {
    if (name === 'PostgreSQL' && NO_POSTGRES) {
      bench.note(`outbox: PostgreSQL: absent (${NO_POSTGRES})`)
      continue
    }
    await withEnds(async ends => measure(bench, name, await open(bench, ends)))
  }
}

async function measure(bench: Bench, name: string, store: Store): Promise<void> {
  const flags = ['--broadcast_adapter=http,outbox', `--outbox=${store.url}`]
  await withIdle(bench, flags, name)
  await withServer(bench, hotcable([], [...flags, '--noauth', '--public_streams']), async ({ program, port }) => {
    const page = await openPage(port)
    const add = (what: string, value: number) => bench.figures.add(`outbox ${what}`, name, value)
    const times = async (rows: number, pauseMs: number) => {
      const ms: number[] = []
      for (let n = 0; n < rows; n++) {
        await pause(pauseMs + Math.random() * 40)
        await store.insert([publication(page.expected++)])
        const committed = performance.now()
        ms.push((await page.arrived()) - committed)
      }
      return ms.toSorted((a, b) => a - b)
    }
    const first = await times(bench.quick ? 3 : 20, AT_REST_MS)
    add('at rest, p50', quantile(first, 0.5))
    add('at rest, most', quantile(first, 1))
    const more = await times(bench.quick ? 30 : 200, 0)
    add('p50', quantile(more, 0.5))
    add('p95', quantile(more, 0.95))
    const [before, began] = [cpuMs(program.pid), performance.now()]
    const late = await flood(store, page, bench.quick ? 2_000 : 10_000)
    add('p99 of 1,000 a second', quantile(late, 0.99))
    add('busy', (100 * (cpuMs(program.pid) - before)) / (performance.now() - began))
    const deadline = performance.now() + PATIENCE_MS
    while ((await store.count()) > 0 && performance.now() < deadline) await pause(20)
    if ((await store.count()) > 0) throw new Error('rows are left in the table')
    page.close()
  })
}

/** A thousand rows a second. Returns the time from COMMIT to the page of each, in ascending order. */
async function flood(store: Store, page: Page, ms: number): Promise<number[]> {
  const committed: number[] = []
  const first = page.expected
  const began = performance.now()
  for (let sent = 0; sent < (RATE * ms) / 1_000; sent += LIST) {
    const due = began + (sent * 1_000) / RATE
    if (due > performance.now()) await pause(due - performance.now())
    await store.insert(Array.from({ length: LIST }, () => publication(page.expected++)))
    committed.push(...Array(LIST).fill(performance.now()))
  }
  await page.arrived()
  return committed.map((at, n) => page.times[first + n]! - at).toSorted((a, b) => a - b)
}

/** The CPU of an idle cable, percent of a core. */
async function withIdle(bench: Bench, flags: readonly string[], name: string): Promise<void> {
  await withServer(bench, hotcable([], flags), async ({ program: { pid } }) => {
    await pause(5_000)
    const [before, began] = [cpuMs(pid), performance.now()]
    await pause(bench.quick ? 3_000 : 15_000)
    bench.figures.add('outbox idle', name, (100 * (cpuMs(pid) - before)) / (performance.now() - began))
  })
}

interface Page {
  /** When each row arrived, by its number. */
  readonly times: readonly number[]
  /** The number of the next row that will be inserted. */
  expected: number
  /** Resolves with the time of the last expected row. Rejects if a row is missing, or out of its order. */
  arrived: () => Promise<number>
  close: () => void
}

const publication = (number: number) => JSON.stringify({ stream: STREAM, data: String(number) })

async function openPage(port: number): Promise<Page> {
  const ends: (() => void)[] = []
  const client = await connect({ after: end => ends.push(end) }, `ws://127.0.0.1:${port}/cable`)
  await client.welcomed()
  await client.confirmed(JSON.stringify({ channel: '$pubsub', stream_name: STREAM }))
  const times: number[] = []
  let wake = () => {}
  let problem: string | undefined
  client.ws.on('message', data => {
    const { type, message } = JSON.parse(String(data))
    if (type === 'ping') return
    if (message !== times.length) problem ??= `row ${message} came in the place of ${times.length}`
    times.push(performance.now())
    wake()
  })
  const page: Page = {
    times,
    expected: 0,
    async arrived() {
      const deadline = setTimeout(() => wake(), PATIENCE_MS)
      const began = performance.now()
      while (times.length < page.expected && performance.now() - began < PATIENCE_MS)
        await new Promise<void>(resolve => {
          wake = resolve
        })
      clearTimeout(deadline)
      if (times.length < page.expected) problem ??= `${page.expected - times.length} rows are missing`
      if (problem !== undefined) throw new Error(problem)
      return times.at(-1)!
    },
    close: () => {
      for (const end of ends) end()
    },
  }
  return page
}

async function openSqlite({ scratch }: Bench, ends: Ends): Promise<Store> {
  const folder = mkdtempSync(join(scratch, 'outbox-'))
  ends.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'app.sqlite')
  const url = `sqlite:${path}`
  await (await openOutboxDatabase(url)).apply()
  const database = new DatabaseSync(path, { timeout: 5_000 })
  ends.after(() => database.close())
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  const insert = database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)')
  const count = database.prepare('SELECT count(*) AS rows FROM hotcable_outbox')
  return {
    url,
    insert(publications) {
      database.exec('BEGIN IMMEDIATE')
      for (const each of publications) insert.run(each)
      database.exec('COMMIT')
    },
    count: () => (count.get() as { rows: number }).rows,
  }
}

async function openPostgres(_: Bench, ends: Ends): Promise<Store> {
  const { url } = await startPostgres(ends)
  await (await openOutboxDatabase(url)).apply()
  const client = new pg.Client(url)
  await client.connect()
  ends.after(() => client.end())
  return {
    url,
    async insert(publications) {
      await client.query('INSERT INTO hotcable_outbox (publication) SELECT unnest($1::text[])', [publications])
    },
    count: async () => Number((await client.query('SELECT count(*) FROM hotcable_outbox')).rows[0].count),
  }
}
