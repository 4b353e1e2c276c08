/** Which gaps end in a refresh, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GapCode } from '../errors.ts'
import type { Subscription } from '../session/subscriptions.ts'
import { createHeal } from './heal.ts'
import type { Job } from './pace.ts'

const IDENTIFIER = '{"channel":"Turbo::StreamsChannel"}'

function ward({ maxStreams = 100, anonymous = false, isBusy = false } = {}) {
  const clock = { ms: 0 }
  const timers = new Set<{ at: number; then: () => void }>()
  const metrics = { refreshes_total: 0, refreshes_held_back_total: 0 }
  const gaps: GapCode[] = []
  const turns = new Map<Job, string>()
  let refreshes = 0
  const heal = createHeal({
    position: () => undefined,
    monotonic: () => clock.ms,
    later(ms, then) {
      const timer = { at: clock.ms + ms, then }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    count: code => void gaps.push(code),
    metrics,
    pace: {
      ask(owner, job) {
        if (!isBusy) job()
        else turns.set(job, owner)
        return () => void turns.delete(job)
      },
      waiting: 0,
    },
    maxStreams,
    explain: false,
  })
  const session = {
    identity: 'ada',
    anonymous,
    resumable: false,
    askBack: () => assert.fail('asked back'),
    connection: { send: () => void refreshes++ },
    fail: assert.ifError as (error: unknown) => void,
  }
  return {
    session,
    heal,
    metrics,
    gaps,
    timers,
    turns,
    refreshes: () => refreshes,
    pass(ms: number) {
      clock.ms += ms
      for (const timer of timers) if (timer.at <= clock.ms && timers.delete(timer)) timer.then()
    },
    /** A page made at an offset lacks something. */
    gap(offset: number, stream = 'a', code: GapCode = 'gap_too_old'): Subscription {
      const position = { offset, epoch: 'e' }
      const rights = { whisper: undefined, presence: undefined, events: false }
      const grant = { streams: [stream], kind: 'turbo', ...rights, position } as const
      const state = { state: 'live', covered: 0, confirmed: true, healing: false } as const
      const subscription: Subscription = { identifier: IDENTIFIER, grant, ...state }
      heal.missed(session, subscription, code, false)
      return subscription
    },
  }
}

test('the cable refreshes a page once that returns from a cache with the same position', () => {
  const { gap, pass, refreshes, gaps, metrics } = ward()
  gap(1)
  gap(1)
  pass(60_000)

  assert.equal(refreshes(), 1)
  assert.deepEqual(gaps, ['gap_too_old', 'gap_too_old'])
  assert.deepEqual(metrics, { refreshes_total: 1, refreshes_held_back_total: 1 })
})

test('the cable refreshes a page whose position stays, because it has none, when the broker loses messages after its refresh', () => {
  const { gap, pass, refreshes } = ward()
  gap(0)
  pass(10_000)
  gap(0, 'a', 'gap_broker_away')

  pass(19_999)
  assert.equal(refreshes(), 1)
  pass(1)
  assert.equal(refreshes(), 2)
})

test('a refresh that waits for its turn is enough for messages that the broker loses meanwhile', () => {
  const { gap, pass, turns, refreshes } = ward({ isBusy: true })
  gap(0)
  gap(0, 'a', 'gap_broker_away')
  for (const turn of turns.keys()) turn()
  pass(60_000)

  assert.equal(refreshes(), 1)
})

test('the cable refreshes a page that was rendered again and has another gap after 30 s', () => {
  const { gap, pass, refreshes } = ward()
  gap(1).state = 'over'
  pass(1_000)
  gap(2).state = 'over'
  gap(3)

  pass(28_999)
  assert.equal(refreshes(), 1)
  pass(1)
  assert.equal(refreshes(), 2)
  pass(60_000)
  assert.equal(refreshes(), 2)
})

test('the cable does not ask a page that has left meanwhile', () => {
  const { gap, pass, refreshes } = ward()
  gap(1)
  gap(2).state = 'over'
  pass(30_000)

  assert.equal(refreshes(), 1)
})

test('a session that has ended leaves neither a turn nor a timer behind', () => {
  const { session, heal, gap, timers, turns } = ward({ isBusy: true })
  for (const stream of ['a', 'b', 'c']) for (const offset of [1, 2]) gap(offset, stream)
  assert.deepEqual([turns.size, timers.size], [1, 3])
  heal.left(session)

  assert.deepEqual([turns.size, timers.size], [0, 0])
})

test('a page has one turn for all of its streams, and another if it has a gap after that', () => {
  const { gap, turns, refreshes, metrics } = ward({ isBusy: true })
  const left = gap(1, 'left')
  for (let i = 0; i < 60; i++) gap(1, `stream/${i}`)
  left.state = 'over'
  const [[turn, owner]] = [...turns] as [[Job, string]]

  assert.deepEqual([turns.size, owner, turn(), refreshes()], [1, 'ada', true, 60])
  assert.equal(metrics.refreshes_total, 1)
  assert.equal(turn(), false)
  gap(1, 'later')
  assert.equal(turns.size, 2)
})

test('the refreshes that we remember of a session are bounded, however many streams it subscribes to', () => {
  const { gap, timers, turns, refreshes } = ward({ isBusy: true, maxStreams: 10 })
  for (let i = 0; i < 1000; i++) {
    for (const offset of [1, 2]) gap(offset, `stream/${i}`).state = 'over'
    if (i >= 990) gap(1, `kept/${i}`)
  }
  for (const turn of turns.keys()) turn()

  assert.ok(timers.size <= 10, String(timers.size))
  assert.equal(refreshes(), 10)
})

test('sessions without a token wait in one line', () => {
  const { gap, turns } = ward({ isBusy: true, anonymous: true })
  gap(1)

  assert.deepEqual([...turns.values()], [''])
})

test('a session fails alone when its refresh throws', () => {
  const { session, gap, turns } = ward({ isBusy: true })
  const failures: unknown[] = []
  const bug = new Error('a bug')
  session.fail = error => failures.push(error)
  session.connection.send = () => {
    throw bug
  }
  gap(1)
  const [turn] = turns.keys()

  assert.deepEqual([turn?.(), failures], [true, [bug]])
})
