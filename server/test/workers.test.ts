/** A cable of several processes: no client notices on which one it is. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Frame } from '../../testing/client.ts'
import { open, token } from './test-cable.ts'
import { startWorkers, type WorkerCable } from './worker-cable.ts'

const OPEN = ['--noauth', '--public_streams', '--workers=2']

interface Stats {
  sessions: number
  lost_sessions: number
  history: { epoch: string; offset: number }
  workers: { worker: number; sessions: number }[]
}

const stats = (cable: WorkerCable) => cable.api<Stats>('stats')

/** Connects clients until each of two workers has some. */
async function clientsOfBoth(cable: WorkerCable, least: number) {
  const clients = await Promise.all(Array.from({ length: least }, () => cable.client()))
  while ((await stats(cable)).workers.some(({ sessions }) => sessions === 0)) clients.push(await cable.client())
  return clients
}

const texts = (frames: readonly Frame[]) => frames.flatMap(({ message }) => (message === undefined ? [] : [message]))

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
  await Promise.all(clients.map(client => client.confirmed(identifier)))
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
  const sent: string[] = []
  let isOver = false
  const sending = (async () => {
    for (let at = 0; !isOver; at++) {
      // (A broadcast on its way through the dead worker fails; its backend tries again.)
      const text = `message ${at}`
      sent.push(text)
      for (;;) {
        const done = await cable.broadcast('a', text, { id: text }).catch((error: Error) => error)
        if (done === undefined) break
      }
    }
  })()

  const received = clients.map(async client => {
    const got: Frame[] = []
    for (let current = client, restored = 0; ; ) {
      try {
        for (;;) {
          const frame = await current.next()
          if (frame.message !== undefined) got.push(frame)
          if (frame.message === 'the end') return { got, restored }
        }
      } catch {
        const last = got.at(-1)
        current = await again(cable, current.sid)
        restored++
        if (last !== undefined)
          current.command('history', open('a'), {
            history: { streams: { a: { epoch: last.epoch, offset: last.offset } } },
          })
      }
    }
  })
  await pause(200)
  process.kill(cable.pids.get(1)!, 'SIGKILL')
  await cable.started(3)
  isOver = true
  await sending
  await cable.broadcast('a', 'the end')

  const all = await Promise.all(received)
  assert.ok(all.some(({ restored }) => restored > 0))
  for (const { got } of all) assert.deepEqual(texts(got), [...sent, 'the end'])
  await cable.logged(/a worker ended unexpectedly.* worker=1 ended=SIGKILL/)
})

/** Connects again, although the connection may go to a process that is dying. */
async function again(cable: WorkerCable, sid: string) {
  for (let attempts = 0; ; attempts++) {
    try {
      const client = await cable.client({ query: `?sid=${sid}` })
      assert.equal(client.welcome.restored, true)
      return client
    } catch (error) {
      if (attempts === 20 || cable.primary.exitCode !== null) throw error
    }
  }
}

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
const isGone = async (client: Awaited<ReturnType<WorkerCable['client']>>): Promise<boolean> => {
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

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
