/** A cable of several processes: no client notices on which one it is. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { open as openOutbox } from '../broadcast/outbox-sqlite.ts'
import { open, token } from './test-cable.ts'
import {
  broadcastOn,
  clientsOfBoth,
  follow,
  isAlive,
  listens,
  OPEN,
  startWorkers,
  stats,
  texts,
} from './worker-cable.ts'

test('a broadcast to any worker reaches the clients of all of them, each once and in order', async t => {
  const cable = await startWorkers(t, OPEN)
  const clients = await clientsOfBoth(cable, 6)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))

  const sent = Array.from({ length: 20 }, (_, at) => `message ${at}`)
  for (const text of sent) await cable.broadcast('a', text)

  for (const client of clients)
    assert.deepEqual(texts(await client.until(({ message }) => message === sent.at(-1))), sent)
})

test('a position holds on every worker, and a repeated publication is published once', async t => {
  const cable = await startWorkers(t, OPEN)
  const clients = await clientsOfBoth(cable, 2)
  const { epoch } = (await stats(cable)).history
  for (const text of ['one', 'two', 'two']) await cable.broadcast('a', text, { id: text })

  for (const client of clients) {
    client.command('subscribe', open('a'), { history: { streams: { a: { epoch, offset: 0 } } } })
    assert.deepEqual(texts(await client.history()), ['one', 'two'])
  }
})

test('whispers and presence reach the other worker', async t => {
  const cable = await startWorkers(t, [...OPEN, '--streams_whisper'])
  const clients = await clientsOfBoth(cable, 2)
  const identifier = open('a')
  await Promise.all(clients.map(client => listens(client, identifier)))
  const [first, ...others] = clients

  first!.command('whisper', identifier, { data: 'psst' })
  first!.command('join', identifier, { presence: { id: 'ada', info: {} } })

  for (const client of others) {
    assert.equal((await client.next()).message, 'psst')
    assert.deepEqual((await client.next()).message, { id: 'ada', info: {}, type: 'join' })
    client.command('presence', identifier)
    const answer = (await client.next()).message as { total: number }
    assert.equal(answer.total, 1)
  }
})

test('a remote disconnect ends the sessions of all workers, and no worker lets a client resume one', async t => {
  const cable = await startWorkers(t, ['--workers=2', '--public_streams'])
  const jid = `?jid=${token({ ext: '"ada"', exp: 2 ** 40 })}`
  const client = () => cable.client({ query: jid })
  const clients = [await client(), await client()]
  while ((await stats(cable)).workers.some(({ sessions }) => sessions === 0)) clients.push(await client())
  const [lost] = clients
  await lost!.drop()

  const { disconnected } = await cable.api<{ disconnected: number }>('disconnect', { identifier: '"ada"' })

  assert.ok(disconnected >= clients.length - 1)
  for (const { closed } of clients) await closed
  for (const { sid } of clients) {
    const { welcome } = await cable.client({ query: `${jid}&sid=${sid}` })
    assert.notEqual(welcome.restored, true)
  }
})

test('no client misses a message when a worker is killed: it resumes on another, and another process takes its place', async t => {
  const cable = await startWorkers(t, OPEN)
  const clients = await clientsOfBoth(cable, 40)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))
  const talk = broadcastOn(cable, 'a')
  const received = clients.map(client => follow(cable, client, 'a'))
  await pause(200)
  process.kill(cable.pids.get(1)!, 'SIGKILL')
  await cable.started(3)
  const sent = await talk.end()

  const all = await Promise.all(received)
  assert.ok(all.some(({ restored }) => restored > 0))
  for (const { got } of all) assert.deepEqual(got, sent)
  await cable.logged(/a worker ended unexpectedly.* worker=1 ended=SIGKILL/)
})

test('on SIGTERM, also to the whole group, all workers tell their clients to come back, and the cable ends with 0', async t => {
  const cable = await startWorkers(t, [...OPEN, '--shutdown_timeout=2'])
  const clients = await clientsOfBoth(cable, 4)
  for (const pid of cable.pids.values()) process.kill(pid, 'SIGTERM')

  const stopped = cable.stop()

  for (const client of clients) {
    const { type, reason, reconnect } = await client.next()
    assert.deepEqual({ type, reason, reconnect }, { type: 'disconnect', reason: 'server_restart', reconnect: true })
  }
  assert.equal(await stopped, 0)
  for (const pid of cable.pids.values()) assert.ok(!isAlive(pid))
  assert.ok(!cable.lines.some(line => /ended unexpectedly/.test(line)))
})

test('metrics are sums of all workers, also after one was replaced, and those of each have a label', async t => {
  const cable = await startWorkers(t, [...OPEN, '--metrics_http=/metrics', '--metrics_tags=env:test'])
  const clients = await clientsOfBoth(cable, 4)
  await cable.broadcast('a', 'one')
  const read = async () => {
    const text = await (await fetch(`${cable.url.http}/metrics`)).text()
    return (name: string) =>
      Number(
        new RegExp(`^${name} (\\S+)$`, 'm').exec(text.replaceAll(/,?env="test",?|{}/g, '').replaceAll('{}', ''))?.[1],
      )
  }

  const before = await read()
  assert.equal(before('anycable_go_clients_num'), clients.length)
  assert.equal(before('anycable_go_broadcast_msg_total'), 1)
  assert.equal(before('anycable_go_broker_well'), 1)
  assert.equal(before('anycable_go_workers_num'), 2)
  const each = [1, 2].map(worker => before(`hotcable_worker_clients_num{worker="${worker}"}`))
  assert.equal(each[0]! + each[1]!, clients.length)

  process.kill(cable.pids.get(1)!, 'SIGKILL')
  await cable.started(3)
  const after = await read()
  assert.equal(after('anycable_go_broadcast_msg_total'), 1)
  assert.equal(after('anycable_go_clients_num'), each[1])
  assert.equal(after('anycable_go_workers_replaced_total'), 1)
})

test('the primary alone reads the outbox: clients of all workers get each row once, and the metrics count it once', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-workers-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const url = `sqlite:${join(folder, 'app.sqlite')}`
  await openOutbox(url).apply()
  const flags = ['--broadcast_adapter=http,outbox', `--outbox=${url}`, '--metrics_log', '--metrics_rotate_interval=1']
  const cable = await startWorkers(t, [...OPEN, ...flags])
  const clients = await clientsOfBoth(cable, 4)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))
  const database = new DatabaseSync(join(folder, 'app.sqlite'), { timeout: 5_000 })
  t.after(() => database.close())
  const insert = database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)')
  const sent = ['one', 'two', 'three']

  for (const text of sent) insert.run(JSON.stringify({ stream: 'a', data: JSON.stringify(text) }))

  for (const client of clients) assert.deepEqual(texts(await client.until(({ message }) => message === 'three')), sent)
  await cable.logged(/ metrics .*broadcast_msg_total=3 .*workers_num=2/)
  assert.equal(cable.lines.filter(line => /the outbox is open/.test(line)).length, 1)
})
