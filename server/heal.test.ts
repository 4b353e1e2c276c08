/** Which gaps end in a refresh, and when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subscription } from './catch-up.ts'
import { createHeal } from './heal.ts'

const IDENTIFIER = '{"channel":"Turbo::StreamsChannel"}'

function ward() {
  const clock = { ms: 0 }
  const timers: { at: number; then: () => void }[] = []
  const counted: string[] = []
  let refreshes = 0
  const heal = createHeal({
    history: undefined,
    monotonic: () => clock.ms,
    later: (ms, then) => void timers.push({ at: clock.ms + ms, then }),
    count: what => void counted.push(what),
    pace: { ask: ({ wanted, run }) => void (wanted() && run()), waiting: 0 },
    explain: false,
  })
  const session = { ended: false, connection: { send: () => void refreshes++ }, fail: assert.ifError }
  return {
    session,
    counted,
    refreshes: () => refreshes,
    pass(ms: number) {
      clock.ms += ms
      for (const { at, then } of timers.splice(0)) at <= clock.ms ? then() : timers.push({ at, then })
    },
    /** A page made at an offset lacks something. */
    gap(offset: number): Subscription {
      const position = { offset, epoch: 'e' }
      const grant = { stream: 'a', kind: 'turbo', whisper: false, presence: false, position, events: false } as const
      const state = { state: 'live', covered: 0, confirmed: true, healing: false } as const
      const subscription: Subscription = { identifier: IDENTIFIER, grant, ...state }
      heal(session, subscription, 'gap_too_old')
      return subscription
    },
  }
}

test('a page that comes back where it was is refreshed once: it is out of a cache', () => {
  const { gap, pass, refreshes, counted } = ward()
  gap(1)
  gap(1)
  pass(60_000)

  assert.equal(refreshes(), 1)
  assert.deepEqual(counted, ['gap_too_old', 'refresh', 'gap_too_old', 'refresh_held_back'])
})

test('a page that was made anew, and lacks something again, is refreshed when 30 s are over', () => {
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

test('who has left meanwhile is told nothing', () => {
  const { session, gap, pass, refreshes } = ward()
  gap(1)
  gap(2).state = 'over'
  pass(30_000)
  assert.equal(refreshes(), 1)

  gap(3)
  gap(4)
  session.ended = true
  pass(30_000)
  assert.equal(refreshes(), 2)
})
