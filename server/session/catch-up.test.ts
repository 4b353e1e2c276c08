import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CatchUp, type CatchUpParts } from './catch-up.ts'
import type { Subscription } from './subscriptions.ts'

const nothing = () => {}

test('a subscription that is ahead of the feed can be restored at once, and is live once the feed has come so far', () => {
  const done: string[] = []
  const timers: (() => void)[] = []
  const history = { epoch: 'e', seen: 5, after: () => [], since: () => [] }
  const parts = {
    history,
    hub: { addWaiter: nothing, removeWaiter: () => done.push('no longer waits') },
    listening: { enter: nothing, leave: nothing, opening: nothing, now: () => history },
    limits: { maxReplayBytes: 9999 },
    later: (_: number, then: () => void) => timers.push(then),
  } as unknown as CatchUpParts
  const session = {
    connection: { congested: () => false },
    replayed: () => done.push('replayed'),
    goLive: () => done.push('live'),
    fail: assert.ifError,
  }
  const pass = () => {
    for (const then of timers.splice(0)) then()
  }
  const grant = { streams: ['a'], events: false }
  const subscription = { identifier: 'i', state: 'waiting', grant } as unknown as Subscription
  new CatchUp(session as never, parts).from({ offset: 7, epoch: 'e' }, subscription, false)
  assert.deepEqual(done, ['replayed'])
  for (history.seen = 6; history.seen < 8; history.seen++) pass()
  assert.deepEqual([...done, subscription.state], ['replayed', 'no longer waits', 'live', 'live'])
  assert.equal(timers.length, 0)
})

test('a subscription that ended before its node listens reads nothing, and its session goes on', async () => {
  const { promise: opening, resolve: listens } = Promise.withResolvers<void>()
  const failures: unknown[] = []
  const read = () => assert.fail('it read')
  let isOver = false
  const parts = {
    history: { epoch: 'e', seen: 0, after: read, since: read },
    hub: { addWaiter: nothing, removeWaiter: nothing },
    listening: { enter: nothing, leave: nothing, opening: () => opening, now: () => (isOver ? read() : parts.history) },
    later: nothing,
  } as unknown as CatchUpParts
  const session = { connection: { congested: () => false }, fail: (error: unknown) => failures.push(error) }
  const catchUp = new CatchUp(session as never, parts)
  const subscription = { state: 'waiting', grant: { streams: ['a'] } } as unknown as Subscription
  catchUp.from('now', subscription, false)
  catchUp.leave(subscription)
  subscription.state = 'over'
  isOver = true
  listens()
  await setImmediate()

  assert.deepEqual(failures, [])
})
