/** An outbox in PostgreSQL, with a real cable that consumes it and apps that write to it. */
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { Client as Page } from '../../testing/client.ts'
import { NO_POSTGRES, PASSWORD, startPostgres } from '../../testing/postgres.ts'
import { startCable, type TestCable, turbo } from '../test/test-cable.ts'
import { open } from './outbox-postgres.ts'

const postgres = NO_POSTGRES === false ? await startPostgres({ after }) : undefined
const needed = { skip: NO_POSTGRES }

const INSERT = 'INSERT INTO hotcable_outbox (publication) VALUES ($1)'
const publication = (data: string, meta?: object) => JSON.stringify({ stream: 'a', data, meta })
const flags = (url: string) => ['--noauth', '--broadcast_adapter=http,outbox', `--outbox=${url}`]

interface App {
  /** Of the role that owns the table. */
  readonly url: string
  readonly flags: string[]
  readonly client: pg.Client
  insert: (...data: string[]) => Promise<void>
  rows: () => Promise<{ id: string; refused: Date | null; reason: string | null }[]>
}

let databases = 0

/** A new database of an app, with an empty outbox. */
async function startApp(t: TestContext): Promise<App> {
  const name = `app${++databases}`
  const owner = await connect(t, postgres!.url)
  await owner.query(`CREATE DATABASE ${name}`)
  const url = postgres!.url.replace(/app$/, name)
  await open(url).apply()
  return useApp(url, await connect(t, url))
}

function useApp(url: string, client: pg.Client): App {
  return {
    url,
    flags: flags(url),
    client,
    async insert(...data) {
      for (const each of data) await client.query(INSERT, [publication(each)])
    },
    rows: async () => (await client.query('SELECT id, refused, reason FROM hotcable_outbox ORDER BY id')).rows,
  }
}

async function connect(t: TestContext, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  t.after(() => client.end())
  await client.connect()
  return client
}

const ready = async (cable: TestCable): Promise<string> =>
  await (await fetch(new URL('/ready', cable.url.cable.replace('ws', 'http')))).text()

/** Waits until the answer of /ready matches. */
async function becomes(cable: TestCable, pattern: RegExp): Promise<void> {
  while (!pattern.test(await ready(cable))) await pause(10)
}

async function shrinks(app: App, rows: number): Promise<void> {
  while ((await app.rows()).length !== rows) await pause(20)
}

async function page(cable: TestCable): Promise<Page> {
  await becomes(cable, /^ready/)
  const client = await cable.welcomed()
  await client.subscribe(turbo('a'))
  return client
}

const messagesUntil = async (client: Page, last: string): Promise<unknown[]> =>
  (await client.until(({ message }) => message === last)).map(({ message }) => message)

test('rows of a transaction become messages in their order, and leave the table', needed, async t => {
  const app = await startApp(t)
  const client = await page(await startCable(t, app.flags))
  await app.client.query('BEGIN')
  await app.insert('one', 'two')
  await app.client.query('COMMIT')
  await app.insert('three')

  assert.deepEqual(await messagesUntil(client, 'three'), ['one', 'two', 'three'])
  await shrinks(app, 0)
})

test('a transaction that commits later than one with higher ids loses nothing', needed, async t => {
  const app = await startApp(t)
  const client = await page(await startCable(t, app.flags))
  const slow = useApp(app.url, await connect(t, app.url))
  await slow.client.query('BEGIN')
  await slow.insert('lower id')
  await app.insert('higher id')
  assert.equal((await client.next()).message, 'higher id')
  await shrinks(app, 0)
  await slow.client.query('COMMIT')

  assert.equal((await client.next()).message, 'lower id')
})

test('a row of a transaction that is rolled back is never sent', needed, async t => {
  const app = await startApp(t)
  const client = await page(await startCable(t, app.flags))
  await app.client.query('BEGIN')
  await app.insert('no')
  await app.client.query('ROLLBACK')
  await app.insert('yes')

  assert.equal((await client.next()).message, 'yes')
})

test('rows that waited while the cable was down are published when it starts', needed, async t => {
  const app = await startApp(t)
  await app.client.query(`INSERT INTO hotcable_outbox (publication) SELECT $1 FROM generate_series(1, 1200)`, [
    publication('x'.repeat(5_000)),
  ])
  const cable = await startCable(t, app.flags)
  await becomes(cable, /^ready/)
  await shrinks(app, 0)
  await app.insert('late')
  await shrinks(app, 0)

  assert.equal(((await cable.stats()) as unknown as { history: { offset: number } }).history.offset, 1_201)
})

test(
  'a row that the cable cannot publish is set aside with the reason, and the next one is not late',
  needed,
  async t => {
    const app = await startApp(t)
    const cable = await startCable(t, [...app.flags, '--max_broadcast_size=1000'])
    const client = await page(cable)
    for (const bad of ['no JSON', '{}', publication('x'.repeat(2_000))]) await app.client.query(INSERT, [bad])
    await app.insert('good')

    assert.equal((await client.next()).message, 'good')
    await shrinks(app, 3)
    while ((await app.rows()).some(({ refused }) => refused === null)) await pause(20)
    assert.deepEqual(
      (await app.rows()).map(({ reason }) => reason?.replace(/:.*/s, '')),
      ['publication_malformed', 'publication_malformed', 'too_large'],
    )
  },
)

test('the notification of each row wakes the consumer, also one that comes while it reads', needed, async t => {
  const app = await startApp(t)
  const table = open(app.url).table({ maxBytes: 1 << 20 })
  t.after(() => table.close())
  await table.open()
  // So that the consumer, which also looks after a while, never does.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const insert = async (rows: number) => {
    for (let row = 0; row < rows; row++) await app.insert('x')
  }

  for (let time = 0; time < 100; time++) {
    const inserted = insert(1 + (time % 3))
    for (let missing = 1 + (time % 3); missing > 0; ) {
      const ids = (await table.read()).map(({ id }) => id)
      missing -= ids.length
      if (ids.length > 0) await table.settle(ids, [])
      else await table.changed()
    }
    await inserted
  }
  assert.deepEqual(await app.rows(), [])
})

test('the database sends no publication that is too large, and a few MiB at once', needed, async t => {
  const app = await startApp(t)
  const table = open(app.url).table({ maxBytes: 1 << 20 })
  t.after(() => table.close())
  await app.insert('x'.repeat(2 << 20), ...Array.from({ length: 12 }, () => 'x'.repeat(900_000)))
  await table.open()
  const rows = await table.read()

  assert.equal(rows[0]!.publication, undefined)
  assert.ok(rows.length > 4 && rows.length < 8, `${rows.length} rows`)
})

test('an app and a cable with their least rights do, and RETURNING id works', needed, async t => {
  const app = await startApp(t)
  await app.client.query(`CREATE ROLE app_${databases} LOGIN PASSWORD '${PASSWORD}'`)
  await app.client.query(`CREATE ROLE cable_${databases} LOGIN PASSWORD '${PASSWORD}'`)
  const grants = open(app.url)
    .schema()
    .match(/(?<=^-- )GRANT .*;$/gm)!
  assert.equal(grants.length, 4)
  for (const grant of grants)
    await app.client.query(
      grant.replace(/\bapp\b(?=[,;])/, `app_${databases}`).replace(/\bcable;/, `cable_${databases};`),
    )
  const as = (role: string) => app.url.replace('owner', `${role}_${databases}`)
  const client = await page(await startCable(t, flags(as('cable'))))
  const { rows } = await (await connect(t, as('app'))).query(`${INSERT} RETURNING id`, [publication('hello')])

  assert.equal(rows.length, 1)
  assert.equal((await client.next()).message, 'hello')
  await app.client.query(INSERT, ['bad'])
  while ((await app.rows())[0]?.refused == null) await pause(20)
})

test(
  'the table is made in the schema of the URL, as often as asked, and the app inserts with any search path',
  needed,
  async t => {
    const app = await startApp(t)
    await app.client.query('CREATE SCHEMA "An app"')
    const url = `${app.url}?schema=An%20app`
    for (let time = 0; time < 2; time++) await open(url).apply()
    const client = await page(await startCable(t, flags(url)))
    await app.client.query("SET search_path = ''")
    await app.client.query(`INSERT INTO "An app".hotcable_outbox (publication) VALUES ($1)`, [publication('hello')])

    assert.equal((await client.next()).message, 'hello')
  },
)

test('a cable connects by a Unix socket, with a user and without a host', needed, async t => {
  const app = await startApp(t)
  const url = `postgres://owner@/app${databases}?host=${postgres!.socket}&port=${postgres!.port}`
  const client = await page(await startCable(t, flags(url)))
  await app.insert('hello')

  assert.equal((await client.next()).message, 'hello')
})

for (const [what, statement, reason] of [
  [
    'has no table',
    'ALTER TABLE hotcable_outbox RENAME TO gone',
    /"public.hotcable_outbox" does not exist \(make .* outbox --apply\)/,
  ],
  ['has no schema', 'ALTER SCHEMA public RENAME TO gone', /does not exist \(make .* outbox --apply\)/],
  [
    'is read-only',
    'ALTER DATABASE %s SET default_transaction_read_only = on',
    /read-only transaction \(it is read-only, perhaps a standby/,
  ],
] as const) {
  test(`a database that ${what} is away, and the log says what to do`, needed, async t => {
    const app = await startApp(t)
    await app.client.query(statement.replace('%s', `app${databases}`))
    const cable = await startCable(t, app.flags)

    await becomes(cable, /the outbox is away/)
    assert.match(cable.lines.join(''), reason)
  })
}

test('a database whose role lacks rights is away, and the log says which', needed, async t => {
  const app = await startApp(t)
  await app.client.query(`CREATE ROLE poor_${databases} LOGIN PASSWORD '${PASSWORD}'`)
  const cable = await startCable(t, flags(app.url.replace('owner', `poor_${databases}`)))

  await becomes(cable, /the outbox is away/)
  assert.match(
    cable.lines.join(''),
    /permission denied for table hotcable_outbox_consumer \(the command outbox --print-schema/,
  )
})

test('no message holds the password: wrong, unreachable, or in a parameter that pg refuses', needed, async () => {
  const urls = [
    postgres!.url.replace(PASSWORD, 'canary%2Dwrong'),
    postgres!.url.replace(/:\d+\/app/, ':1/app'),
    `${postgres!.url}?sslmode=verify-ca`,
    `${postgres!.url}?sslrootcert=/no/such/file`,
    postgres!.url.replace(/app$/, 'no_such_database'),
  ]
  for (const url of urls) {
    await assert.rejects(open(url).apply(), ({ name, message }: Error) => {
      assert.equal(name, 'OutboxAway')
      assert.doesNotMatch(message, /canary/)
      return true
    })
  }
})
