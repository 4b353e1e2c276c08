/** How long a restored subscription waits for the question of its client. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restore } from './restore.ts'
import type { SessionParts } from './session-parts.ts'
import type { Subscription } from './subscriptions.ts'

const POSITION = { offset: 3, epoch: 'e' }

/** A lost session with one subscription that is restored; `pass` lets time pass. */
function restored() {
  let [now, asked] = [0, false]
  const timers = new Set<{ at: number; then: () => void }>()
  const starts: unknown[] = []
  const subscription = { identifier: 'i', state: 'waiting' } as Subscription
  const parts = {
    resolve: () => ({}),
    explain: false,
    later(ms: number, then: () => void) {
      const timer = { at: now + ms, then }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  } as unknown as SessionParts
  const session = {
    sid: 's',
    connection: { send: () => {} },
    catchUp: {
      wait: () => {},
      isPending: () => asked,
      from: (start: unknown) => void starts.push([now, start]),
    },
    add: () => subscription,
    restored: () => {},
    fail: assert.ifError,
  } as unknown as Parameters<typeof restore>[0]
  const snapshot = { identity: '', anonymous: false, sids: ['s'], identifiers: ['i'], position: POSITION }
  const grace = restore(session, snapshot, parts)
  return {
    grace,
    starts,
    ask: () => {
      asked = true
    },
    pass(ms: number) {
      const end = now + ms
      for (const timer of timers) {
        if (timer.at > end) continue
        timers.delete(timer)
        now = timer.at
        timer.then()
      }
      now = end
    },
  }
}

test('a resumed client that sends nothing gets what it missed 10 s after its welcome', () => {
  const { starts, pass } = restored()
  pass(60_000)

  assert.deepEqual(starts, [[10_000, POSITION]])
})

test('a resumed client that does not ask gets what it missed 2 s after its first message', () => {
  const { grace, starts, pass } = restored()
  pass(9_000)
  grace.heard()
  pass(1_500)
  grace.heard()
  pass(60_000)

  assert.deepEqual(starts, [[11_000, POSITION]])
})

test('a resumed client whose question takes 9 s gets no replay but the one that it asks for', () => {
  const { grace, starts, ask, pass } = restored()
  pass(9_000)
  grace.heard()
  ask()
  pass(60_000)

  assert.deepEqual(starts, [])
})

test('a session that ends replays nothing', () => {
  for (const isHeard of [false, true]) {
    const { grace, starts, pass } = restored()
    if (isHeard) grace.heard()
    grace.end()
    pass(60_000)

    assert.deepEqual(starts, [])
  }
})
