/**
 * A bug ends one session or one task. A clock that throws stands for any bug: the cable reads the clock to verify names, to
 * keep lost sessions, to make pings and to forget old messages.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXTENDED, type Frame } from '../../testing/client.ts'
import { sign, startCable, turbo } from './test-cable.ts'

async function startBreakable(t: TestContext, flags: string[] = []) {
  const clock = { broken: false, reads: 0 }
  const now = () => {
    clock.reads++
    if (clock.broken) throw new Error('the clock is broken')
    return Date.now()
  }
  const cable = await startCable(t, ['--noauth', ...flags], { wall: now, monotonic: now })
  const calm = await cable.welcomed()
  await calm.subscribe(turbo('a'))
  const failures = () => cable.lines.filter(line => line.includes('code=internal'))
  const goesOn = async () => {
    clock.broken = false
    await cable.broadcast('a', 'still here')
    assert.equal((await calm.next()).message, 'still here')
  }
  return { cable, clock, failures, goesOn }
}

const INTERNAL: Frame = { type: 'disconnect', reason: 'internal_error', reconnect: true }

test('a failed command ends its session with 1011, and no other session', async t => {
  const { cable, clock, failures, goesOn } = await startBreakable(t)
  const client = await cable.welcomed()
  clock.broken = true

  assert.deepEqual(await client.subscribe(turbo('a')), INTERNAL)
  assert.equal((await client.closed).code, 1011)

  await goesOn()
  await cable.until(({ sessions }) => sessions === 1)
  assert.match(failures().join(''), new RegExp(`ERR .*sid=${client.welcome.sid}.*the clock is broken.*failure.test`))
})

test('the cable closes a connection with 1011 if its session cannot start, and keeps nothing of it', async t => {
  const { cable, clock, goesOn } = await startBreakable(t)
  const lost = await cable.welcomed({ protocols: EXTENDED })
  await lost.subscribe(turbo('b'))
  lost.ws.terminate()
  await cable.until(({ lost_sessions }) => lost_sessions === 1)
  const reads = clock.reads
  clock.broken = true
  const client = await cable.connect({ query: `?sid=${lost.welcome.sid}`, protocols: EXTENDED })

  assert.deepEqual(await client.next(), INTERNAL)
  assert.equal((await client.closed).code, 1011)

  assert.ok(clock.reads > reads)
  await goesOn()
  await cable.until(({ sessions, streams }) => sessions === 1 && streams === 1)
})

test('a session leaves nothing behind even if an error interrupts its end', async t => {
  const { cable, clock, failures, goesOn } = await startBreakable(t)
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.subscribe(turbo('b'))
  clock.broken = true
  client.ws.terminate()
  while (!failures().some(line => line.includes('Sessions.lost'))) await cable.stats()

  await goesOn()
  await cable.until(({ sessions, streams, lost_sessions }) => sessions === 1 && streams === 1 && lost_sessions === 0)
})

test('an error at the end of a server-sent events session ends no other session', async t => {
  const { cable, clock, failures, goesOn } = await startBreakable(t, ['--sse'])
  const identifier = JSON.stringify({ channel: '$pubsub', signed_stream_name: sign('b') })
  const client = new AbortController()
  const events = await fetch(cable.url.cable.replace('ws', 'http').replace('/cable', '/events'), {
    method: 'POST',
    body: JSON.stringify({ command: 'subscribe', identifier, presence: { id: 'ada' } }),
    signal: client.signal,
  })
  assert.equal(events.status, 200)
  clock.broken = true
  client.abort()
  while (!failures().some(line => line.includes('Sessions.lost'))) await setImmediate()

  await goesOn()
  await cable.until(({ sessions, streams }) => sessions === 1 && streams === 1)
})

test('a timer that failed runs again', async t => {
  const { cable, clock, failures, goesOn } = await startBreakable(t, ['--ping_interval=1', '--history_ttl=1'])
  const client = await cable.welcomed()
  const pinged = () => new Promise(resolve => client.ws.once('message', resolve))
  clock.broken = true
  while (!failures().some(line => line.includes('heartbeat')) || !failures().some(line => line.includes('memory')))
    await cable.stats()

  await goesOn()

  assert.match(String(await pinged()), /"ping"/)
})
