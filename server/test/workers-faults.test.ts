/** Faults of workers, and limits over all of them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Client } from '../../testing/client.ts'
import { freePort } from '../../testing/ports.ts'
import { open as openOutbox } from '../broadcast/outbox-sqlite.ts'
import { open, turbo } from './test-cable.ts'
import {
  again,
  broadcastOn,
  clientsOfBoth,
  follow,
  isAlive,
  OPEN,
  startWorkers,
  stats,
  type WorkerCable,
} from './worker-cable.ts'

test('a frozen worker is killed and replaced, and its clients miss nothing', async t => {
  const cable = await startWorkers(t, OPEN)
  const clients = await clientsOfBoth(cable, 10)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))
  const talk = broadcastOn(cable, 'a')
  const received = clients.map(client => follow(cable, client, 'a'))
  while ((await stats(cable)).sessions < clients.length) await pause(20)

  process.kill(cable.pids.get(1)!, 'SIGSTOP')
  // (A connection that is open already may be the frozen worker's.)
  const during = await Promise.any(Array.from({ length: 8 }, () => stats(cable)))
  await cable.started(3)

  const sent = await talk.end()
  const all = await Promise.all(received)
  assert.ok(all.some(({ restored }) => restored > 0))
  for (const { got } of all) assert.deepEqual(got, sent)
  await cable.logged(/the worker is killed: it has not read for too long worker=1/)
  assert.equal(during.sessions, clients.length, 'the numbers of a frozen worker are its last ones')
})

test('a client that leaves a frozen worker resumes its session on another at once', async t => {
  const cable = await startWorkers(t, OPEN)
  const clients = await clientsOfBoth(cable, 6)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))
  process.kill(cable.pids.get(1)!, 'SIGSTOP')

  for (const { sid } of clients) await again(cable, sid)

  assert.equal((await stats(cable)).workers.find(({ worker }) => worker === 2)!.sessions, clients.length)
})

test('after a time without any worker, clients have a gap: backends may have given up broadcasts', async t => {
  // (Without workers the system may give the port to another program.)
  const cable = await startWorkers(t, [...OPEN, `--port=${await freePort()}`])
  const client = await cable.client()
  await client.confirmed(open('a'))
  await cable.broadcast('a', 'one')
  const { epoch, offset } = (await client.until(({ message }) => message === 'one')).at(-1)!

  for (const pid of cable.pids.values()) process.kill(pid, 'SIGKILL')
  await cable.started(4)

  const later = await again(cable, client.sid)
  later.command('history', open('a'), { history: { streams: { a: { epoch, offset } } } })
  assert.ok((await later.history()).some(({ type }) => type === 'reject_history'))
})

test('all workers together ask pages to refresh at --heal_rate', async t => {
  const cable = await startWorkers(t, [...OPEN, '--heal_rate=2'])
  const clients = await clientsOfBoth(cable, 8)
  const from = performance.now()
  const refreshed = clients.map(async client => {
    client.command('subscribe', turbo('a', { position: '1/gone' }))
    await client.until(({ message }) => /action="refresh"/.test(String(message)))
  })

  await Promise.all(refreshed)

  // The first is at once. Two paces would take half as long.
  assert.ok(performance.now() - from >= ((clients.length - 1) / 2) * 900)
})

test('presence of a killed worker ends as that of any lost session', async t => {
  const cable = await startWorkers(t, [...OPEN, '--presence_ttl=1'])
  const clients = await clientsOfBoth(cable, 8)
  const identifier = open('a')
  await Promise.all(clients.map(client => client.confirmed(identifier)))
  clients.forEach((client, at) => {
    client.command('join', identifier, { presence: { id: `member ${at}` } })
  })
  const total = async () => (await cable.api<{ total: number }>('presence/a/users')).total
  while ((await total()) < clients.length) await pause(20)

  process.kill(cable.pids.get(2)!, 'SIGKILL')
  const gone = (await Promise.all(clients.map(isGone))).filter(Boolean).length

  while ((await total()) !== clients.length - gone) await pause(50)
  assert.ok(gone > 0 && gone < clients.length)
})

/** Whether its connection is closed; asks its worker, if that lives. */
const isGone = async (client: Client): Promise<boolean> => {
  try {
    await client.answers()
    return false
  } catch {
    return true
  }
}

test('a killed primary takes its workers with it', async t => {
  const cable = await startWorkers(t, OPEN)
  const client = await cable.client()

  cable.primary.kill('SIGKILL')

  await client.closed
  for (const pid of cable.pids.values()) while (isAlive(pid)) await pause(20)
})

test('a port that is taken is a line on stderr, and the cable does not start', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }

  assert.throws(
    () =>
      execFileSync(process.execPath, ['server/main.ts', '--secret=canary', '--workers=2', `--port=${port}`], {
        encoding: 'utf8',
        stdio: 'pipe',
        timeout: 60_000,
      }),
    { status: 1, stderr: /^cable: cannot listen on 127\.0\.0\.1:\d+ \(--port.*\): the port is in use/ },
  )
})

test('workers share out the limit of sessions', async t => {
  const cable = await startWorkers(t, [...OPEN, '--max_sessions=2'])
  const attempt = () =>
    cable.client().then(
      () => 1,
      () => 0,
    )
  let admitted = 0
  while (admitted < 2) admitted += await attempt()

  for (let more = 0; more < 8; more++) assert.equal(await attempt(), 0)
})

test('while another cable consumes the outbox no worker is ready or admits a client; afterwards all do', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-workers-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const url = `sqlite:${join(folder, 'app.sqlite')}`
  await openOutbox(url).apply()
  const flags = [...OPEN, '--broadcast_adapter=http,outbox', `--outbox=${url}`]
  const first = await startWorkers(t, flags)
  await becomesReady(first)
  const second = await startWorkers(t, flags)

  const answers = await Promise.all(Array.from({ length: 20 }, () => ready(second)))
  assert.deepEqual(new Set(answers), new Set(['503 another cable consumes the outbox']))
  await assert.rejects(second.client())

  await first.stop()
  await becomesReady(second)
  await clientsOfBoth(second, 4)
  const later = await Promise.all(Array.from({ length: 20 }, () => ready(second)))
  assert.deepEqual(new Set(later), new Set(['200 ready']))
})

/** Asks one of the workers: status and text. */
async function ready({ url }: WorkerCable): Promise<string> {
  const answer = await fetch(`${url.http}/ready`, { headers: { connection: 'close' } })
  return `${answer.status} ${(await answer.text()).trim()}`
}

async function becomesReady(cable: WorkerCable): Promise<void> {
  while ((await ready(cable)) !== '200 ready') await pause(10)
}
