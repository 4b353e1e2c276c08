/** An outbox in PostgreSQL that is a standby, has a certificate, is full, or stands behind PgBouncer. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { certificate } from '../../testing/certificate.ts'
import type { Client } from '../../testing/client.ts'
import { NO_PGBOUNCER, startPgBouncer } from '../../testing/pgbouncer.ts'
import { NO_POSTGRES, startPostgres, startStandby, unprivileged } from '../../testing/postgres.ts'
import { mountSmallDisk, NO_SMALL_DISK } from '../../testing/small-disk.ts'
import { says } from '../test/redis-cable.ts'
import { startCable, type TestCable, turbo } from '../test/test-cable.ts'
import { open } from './outbox-postgres.ts'

const needed = { skip: NO_POSTGRES }
const INSERT = 'INSERT INTO hotcable_outbox (publication) VALUES ($1)'

async function query(url: string, text: string, values: readonly string[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text, [...values])).rows
  } finally {
    await client.end()
  }
}

const insert = (url: string, data: string) => query(url, INSERT, [JSON.stringify({ stream: 'a', data })])

const cableOf = (t: TestContext, url: string): Promise<TestCable> =>
  startCable(t, ['--noauth', '--broadcast_adapter=http,outbox', `--outbox=${url}`])

async function page(cable: TestCable): Promise<Client> {
  await says(cable, /^200 ready$/)
  const client = await cable.welcomed()
  await client.confirmed(turbo('a'))
  return client
}

test('a standby counts as away; once it is the primary the cable publishes its rows', needed, async t => {
  const primary = await startPostgres(t)
  await open(primary.url).apply()
  const standby = await startStandby(t, primary)
  const cable = await cableOf(t, standby.url)
  await says(cable, /^503 the outbox is away/)
  assert.match(cable.lines.join(''), /perhaps a standby: connect to the primary/)
  await primary.kill()
  await standby.promote()
  const client = await page(cable)
  await insert(standby.url, 'one')

  assert.equal((await client.next()).message, 'one')
})

test('a certificate of a CA that the URL names does, and one of another CA does not', needed, async t => {
  const [cert, key] = certificate(t)
  const [other] = certificate(t)
  const postgres = await startPostgres(t, { tls: { cert, key } })
  const url = postgres.url.replace('127.0.0.1', 'localhost')
  await assert.rejects(open(`${url}?sslmode=verify-full&sslrootcert=${other}`).apply(), {
    name: 'OutboxAway',
    message: /^PostgreSQL at localhost:\d+\/app: .*certificate/,
  })
  const name = `${postgres.url}?sslmode=verify-full&sslrootcert=${cert}`
  await assert.rejects(open(name).apply(), { name: 'OutboxAway', message: /altnames|IP: 127\.0\.0\.1/ })
  const secured = `${url}?sslmode=verify-full&sslrootcert=${cert}`
  await open(secured).apply()
  const client = await page(await cableOf(t, secured))
  await insert(postgres.url, 'one')

  assert.equal((await client.next()).message, 'one')
  const sessions = await query(
    postgres.url,
    `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'hotcable%'`,
  )
  assert.deepEqual(sessions, [{ ssl: true }])
})

test('PgBouncer in transaction mode is refused in words, and in session mode it does', {
  skip: NO_POSTGRES || NO_PGBOUNCER,
}, async t => {
  const postgres = await startPostgres(t)
  await open(postgres.url).apply()
  const refused = await cableOf(t, await startPgBouncer(t, postgres, { mode: 'transaction' }))
  await says(refused, /^503 the outbox is away/)
  assert.match(
    refused.lines.join(''),
    /a pooler shares our session .*: connect to PostgreSQL itself, or in session mode/,
  )
  const client = await page(await cableOf(t, await startPgBouncer(t, postgres, { mode: 'session' })))
  await insert(postgres.url, 'one')

  assert.equal((await client.next()).message, 'one')
})

test('a row that the cable cannot set aside, because the disk is full, is in the way of no other row', {
  skip: NO_POSTGRES || NO_SMALL_DISK,
}, async t => {
  const postgres = await startPostgres(t)
  const disk = mountSmallDisk(t, { kib: 1_024, owner: unprivileged()! })
  await open(postgres.url).apply()
  await query(postgres.url, `CREATE TABLESPACE small LOCATION '${disk.folder}'`)
  // A block has space for four rows of 1,850 bytes and one small row, and not for a second version of the bad one.
  await query(
    postgres.url,
    `ALTER TABLE hotcable_outbox SET TABLESPACE small;
    INSERT INTO hotcable_outbox (publication, refused) SELECT repeat('x', 1850), now() FROM generate_series(1, 3)`,
  )
  const cable = await cableOf(t, postgres.url)
  const client = await page(cable)
  disk.fill()
  await query(postgres.url, INSERT, ['no JSON'.padEnd(1_850)])
  await says(cable, /^503 the outbox is away/)
  assert.match(cable.lines.join(''), /No space left on device/)
  await insert(postgres.url, 'one')
  assert.equal((await client.next()).message, 'one')
  const waiting = async () => {
    const rows = await query(
      postgres.url,
      'SELECT left(publication, 7) AS text FROM hotcable_outbox WHERE refused IS NULL',
    )
    return rows.map(({ text }) => text)
  }
  while ((await waiting()).length > 1) await pause(20)
  assert.deepEqual(await waiting(), ['no JSON'])
  disk.free()

  while ((await waiting()).length > 0) await pause(20)
  await says(cable, /^200 ready$/)
})
