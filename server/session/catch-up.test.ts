import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CatchUp, type CatchUpParts } from './catch-up.ts'
import type { Subscription } from './subscriptions.ts'

const nothing = () => {}

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
