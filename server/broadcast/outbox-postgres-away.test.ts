/** An outbox in PostgreSQL, while the database, its network or a cable fails. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { type RunningCable, startCable as startProcess } from '../../testing/cable.ts'
import { connect, type Client as Page } from '../../testing/client.ts'
import { NO_POSTGRES, startPostgres, type TestPostgres } from '../../testing/postgres.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { SECRET, startCable, turbo } from '../test/test-cable.ts'
import { open } from './outbox-postgres.ts'

const needed = { skip: NO_POSTGRES }

interface Served extends TestPostgres {
  readonly proxy: TcpProxy
  /** Through the proxy. */
  readonly flags: string[]
  insert: (...data: string[]) => Promise<void>
  count: () => Promise<number>
}

async function serve(t: TestContext): Promise<Served> {
  const postgres = await startPostgres(t)
  await open(postgres.url).apply()
  const proxy = await createProxy(postgres.port)
  t.after(() => proxy.close())
  const using = async <T>(use: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client(postgres.url)
    client.on('error', () => {})
    await client.connect()
    return await use(client).finally(() => client.end())
  }
  const outbox = `--outbox=${postgres.url.replace(`:${postgres.port}/`, `:${proxy.port}/`)}`
  return {
    ...postgres,
    proxy,
    flags: ['--broadcast_adapter=http,outbox', outbox],
    insert: (...data) =>
      using(async client => {
        for (const each of data)
          await client.query('INSERT INTO hotcable_outbox (publication) VALUES ($1)', [
            JSON.stringify({ stream: 'a', data: each }),
          ])
      }),
    count: () =>
      using(async client => Number((await client.query('SELECT count(*) FROM hotcable_outbox')).rows[0].count)),
  }
}

const ready = async (url: string): Promise<string> => (await fetch(new URL('/ready', url.replace('ws', 'http')))).text()

async function becomes(url: string, pattern: RegExp): Promise<void> {
  while (!pattern.test(await ready(url))) await pause(10)
}

async function page(t: TestContext, url: string): Promise<Page> {
  await becomes(url, /^ready/)
  const client = await connect(t, url)
  await client.welcomed()
  await client.subscribe(turbo('a'))
  return client
}

/** A cable as a process, for signals. */
async function startOther(t: TestContext, { flags }: Served): Promise<RunningCable> {
  const cable = await startProcess([`--secret=${SECRET}`, '--turbo_streams', '--noauth', ...flags])
  t.after(() => cable.stop('SIGKILL'))
  return cable
}

test('PostgreSQL is killed and starts again: clients stay, get the next rows, and need no refresh', needed, async t => {
  const postgres = await serve(t)
  const cable = await startCable(t, ['--noauth', ...postgres.flags])
  const client = await page(t, cable.url.cable)
  await postgres.insert('one')
  assert.equal((await client.next()).message, 'one')
  await postgres.kill()
  await becomes(cable.url.cable, /the outbox is away/)
  await postgres.start()
  await postgres.insert('two')

  assert.equal((await client.next()).message, 'two')
  while ((await postgres.count()) > 0) await pause(20)
})

test('a connection that freezes is noticed, and the cable takes its lock back and goes on', needed, async t => {
  const postgres = await serve(t)
  const cable = await startCable(t, ['--noauth', ...postgres.flags])
  const client = await page(t, cable.url.cable)
  postgres.proxy.freeze()
  await postgres.insert('one')
  await becomes(cable.url.cable, /the outbox is away/)
  // The frozen connection stays as it is; a new one passes.
  postgres.proxy.freeze(/^never/)

  assert.equal((await client.next()).message, 'one')
})

test('a network that takes 200 ms each way delays rows, and loses none', needed, async t => {
  const postgres = await serve(t)
  postgres.proxy.delay(200)
  const cable = await startCable(t, ['--noauth', ...postgres.flags])
  const client = await page(t, cable.url.cable)
  await postgres.insert('one', 'two')

  assert.equal((await client.next()).message, 'one')
  assert.equal((await client.next()).message, 'two')
})

test('a cable that stops, or is killed, hands over to the one that waits', needed, async t => {
  const postgres = await serve(t)
  let first = await startOther(t, postgres)
  await page(t, first.url)
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const second = await startOther(t, postgres)
    await becomes(second.url, /another cable consumes the outbox/)
    await first.stop(signal)
    await postgres.insert(signal)
    await becomes(second.url, /^ready/)
    const client = await page(t, second.url)
    await postgres.insert('later')
    const { message } = await client.next()
    assert.ok(message === 'later' || (message === signal && (await client.next()).message === 'later'))
    first = second
  }
})

test('a cable that hung while another one took over sends its clients away', needed, async t => {
  const postgres = await serve(t)
  const first = await startOther(t, postgres)
  const left = await page(t, first.url)
  const second = await startOther(t, postgres)
  await becomes(second.url, /another cable consumes the outbox/)
  first.child.kill('SIGSTOP')
  await postgres.insert('meanwhile')
  await becomes(second.url, /^ready/)
  const taken = await page(t, second.url)
  first.child.kill('SIGCONT')
  await left.closed
  await becomes(first.url, /another cable consumes the outbox/)
  await postgres.insert('later')

  while ((await taken.next()).message !== 'later');
  assert.equal(await postgres.count(), 0)
})

test(
  'a cable that another one relieved for a while says that its pages missed rows; a restart is no gap',
  needed,
  async t => {
    const postgres = await startPostgres(t)
    await open(postgres.url).apply()
    const [first, second] = [
      open(postgres.url).table({ maxBytes: 1_000 }),
      open(postgres.url).table({ maxBytes: 1_000 }),
    ]
    t.after(() => Promise.all([first.close(), second.close()]))
    assert.equal(await first.open(), 'alone')
    await postgres.kill()
    await assert.rejects(first.changed(), { name: 'OutboxAway' })
    await postgres.start()
    assert.equal(await first.open(), 'alone')
    assert.equal(await second.open(), 'other')
    await first.close()
    // It had no clients yet.
    assert.equal(await second.open(), 'alone')
    assert.equal(await first.open(), 'other')
    await second.close()
    assert.equal(await first.open(), 'again')
  },
)
