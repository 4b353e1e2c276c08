/**
 * An operator, or NTP, sets the wall clock while the cable runs. Dates follow it; durations stay as they are.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { type TestContext, test } from 'node:test'
import { EXTENDED } from '../../testing/client.ts'
import { atTime } from '../base/clocks.ts'
import { sign, startCable, type TestCable, token, turbo } from './test-cable.ts'

const HOUR_MS = 3_600_000

/**
 * A cable with a wall clock that the test sets, time that the test lets pass, in ms, and upkeep that the test runs. Date.now
 * follows the same clock.
 */
async function clockedCable(t: TestContext, flags: string[] = []) {
  const wallNow = Date.now
  let [wallAhead, passed] = [0, 0]
  t.mock.method(Date, 'now', () => wallNow() + wallAhead + passed)
  let upkeep!: () => void
  const cable = await startCable(t, flags, {
    monotonic: () => performance.now() + passed,
    every(_, then) {
      upkeep = then
      return () => {}
    },
  })
  return Object.assign(cable, {
    upkeep,
    pass(ms: number) {
      passed += ms
    },
    set(byMs: number) {
      wallAhead += byMs
    },
  })
}

async function refreshed(cable: TestCable): Promise<void> {
  const page = await cable.welcomed()
  await page.subscribe(turbo('a', { position: '1/old' }))
  assert.match(String((await page.next()).message), /action="refresh"/)
}

for (const [way, byMs] of [
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
] as const) {
  test(`a clock that is set ${way} an hour delays no refresh: at the start, among many, or in the same session`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--heal_delay=1', '--heal_rate=20'])
    cable.set(byMs)
    for (let i = 0; i < 5; i++) await refreshed(cable)
    const page = await cable.welcomed()
    await page.subscribe(turbo('a', { position: '1/old' }))
    await page.next()
    cable.set(byMs)
    cable.pass(30_000)
    await page.subscribe(turbo('a', { position: '2/old' }))

    assert.match(String((await page.next()).message), /action="refresh"/)
  })

  test(`a lost session lives as long when the clock is set ${way} an hour`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--sessions_ttl=300'])
    const lose = async () => {
      const client = await cable.welcomed({ protocols: EXTENDED })
      await client.subscribe(turbo('a'))
      client.ws.terminate()
      await cable.until(({ lost_sessions }) => lost_sessions > 0)
      return `?sid=${client.welcome.sid}`
    }
    const query = await lose()
    cable.set(byMs)

    assert.equal((await cable.welcomed({ protocols: EXTENDED, query })).welcome.restored, true)
    const late = await lose()
    cable.set(byMs)
    cable.pass(301_000)
    cable.upkeep()
    await cable.until(({ lost_sessions }) => lost_sessions === 0)
    assert.equal((await cable.welcomed({ protocols: EXTENDED, query: late })).welcome.restored, undefined)
  })

  test(`a presence lasts as long when the clock is set ${way} an hour`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--presence_ttl=60'])
    const room = JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('room') })
    const [ada, watcher] = [await cable.welcomed(), await cable.welcomed()]
    await ada.subscribe(room, { presence: { id: 'ada', info: {} } })
    await watcher.subscribe(room)
    const present = async () => {
      watcher.send({ command: 'presence', identifier: room })
      return ((await watcher.next()).message as { total: number }).total
    }
    ada.ws.terminate()
    await cable.until(({ sessions }) => sessions === 1)
    cable.set(byMs)
    cable.upkeep()

    assert.equal(await present(), 1)
    cable.pass(61_000)
    cable.upkeep()
    assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'leave' })
  })

  test(`the history keeps messages as long when the clock is set ${way} an hour`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--history_ttl=60', '--heal=off'])
    const position = await cable.position()
    await cable.broadcast('a', 'x')
    const pull = async (i: number) => {
      const client = await cable.welcomed()
      await client.subscribe(turbo('a', { position, i }))
      client.send({ command: 'ping' })
      return (await client.next()).message ?? 'nothing'
    }
    cable.set(byMs)
    cable.upkeep()

    assert.equal(await pull(1), 'x')
    cable.pass(62_000)
    cable.upkeep()
    assert.equal(await pull(2), 'nothing')
  })

  test(`a clock that is set ${way} an hour makes no client wait for its commands`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--max_command_burst=5', '--max_command_rate=100'])
    const client = await cable.welcomed()
    for (let round = 0; round < 3; round++) {
      cable.set(byMs)
      for (let i = 0; i < 20; i++) client.send({ command: 'ping' })
      for (let i = 0; i < 20; i++) assert.equal((await client.next()).type, 'pong')
    }
  })

  test(`a shutdown takes as long when the clock is set ${way} an hour meanwhile`, async t => {
    const cable = await clockedCable(t, ['--noauth', '--handshake_timeout=60'])
    const halfRequest = dial(Number(new URL(cable.url.cable).port), '127.0.0.1').on('error', () => {})
    halfRequest.write('GET /health HTTP/1.1\r\n')
    // One step cannot disconnect all of these clients, so the test sets the clock between the first and the last.
    const clients = await Promise.all(Array.from({ length: 11 }, () => cable.welcomed()))
    const closed = cable.close()
    await clients[0]!.next()
    cable.set(byMs)

    await closed
  })

  test(`tokens, signed names, since and pings follow a clock that is set ${way}`, async t => {
    const cable = await clockedCable(t)
    cable.set(byMs)
    const now = () => Math.floor(Date.now() / 1000)
    const query = (exp: number) => `?jid=${token({ ext: 'x', exp })}`
    const late = await cable.connect({ query: query(now() - 1) })
    const client = await cable.welcomed({ query: `${query(now() + 60)}&pi=1`, protocols: EXTENDED })
    await cable.broadcast('a', 'x')

    assert.equal((await late.next()).reason, 'token_expired')
    assert.equal((await client.subscribe(expiring(now() - 1))).type, 'reject_subscription')
    assert.equal((await client.subscribe(expiring(now() + 60), since(now() - 60))).type, 'confirm_subscription')
    assert.equal((await client.next()).message, 'x')
    assert.equal((await client.next()).type, 'confirm_history')
    await client.subscribe(turbo('a'), since(now() + 60))
    assert.equal((await client.next()).type, 'confirm_history')
    const [data] = await once(client.ws, 'message')
    assert.ok(Math.abs(JSON.parse(String(data)).message - now()) < 5)
  })
}

/** Turbo's identifier with a signed name that expires at `exp`, Unix seconds. */
const expiring = (seconds: number): string => {
  const exp = new Date(seconds * 1000).toISOString()
  return turbo('a', { signed_stream_name: sign({ _rails: { data: 'a', exp } }) })
}

const since = (from: number) => ({ history: { since: from } })

/** A timer, and a wall clock that the test sets; `called` holds the wall clock's time of each call. */
function clockwork() {
  let [ms, ahead] = [0, 0]
  let timer: { at: number; then: () => void } | undefined
  const wall = () => ms + ahead
  const called: number[] = []
  return {
    called,
    call: () => void called.push(wall()),
    parts: {
      wall,
      later: (after: number, then: () => void) => {
        timer = { at: ms + after, then }
        return () => {
          timer = undefined
        }
      },
    },
    set: (byMs: number) => {
      ahead += byMs
    },
    pass(forMs: number) {
      const end = ms + forMs
      while (timer !== undefined && timer.at <= end) {
        const { at, then } = timer
        ms = at
        timer = undefined
        then()
      }
      ms = end
    },
  }
}

for (const [title, byMs, expected] of [
  ['stays', 0, 2 * HOUR_MS],
  ['is set back', -HOUR_MS, 2 * HOUR_MS],
  ['is set forward', HOUR_MS, 2 * HOUR_MS],
  ['is set beyond the time', 3 * HOUR_MS, 3 * HOUR_MS + 120_000],
] as const) {
  test(`atTime calls back at most a minute late when the clock ${title}`, () => {
    const { parts, called, call, set, pass } = clockwork()
    atTime((2 * HOUR_MS) / 1000, call, parts)
    pass(90_000)
    set(byMs)
    pass(4 * HOUR_MS)

    assert.deepEqual(called, [expected])
  })
}

test('atTime calls back at once for a past time, but never before it returns or after the test cancels it', () => {
  const { parts, called, call, pass } = clockwork()
  atTime(-1, call, parts)
  assert.deepEqual(called, [])
  pass(0)
  assert.deepEqual(called, [0])

  const cancel = atTime(600, call, parts)
  pass(90_000)
  cancel()
  pass(HOUR_MS)
  assert.deepEqual(called, [0])
})
