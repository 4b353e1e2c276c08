/** What a node does again and again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRedisStores } from './redis-stores.ts'

test('a node that stops leaves no timer behind', async () => {
  const timers = new Set<() => void>()
  const redis = { url: 'redis://127.0.0.1', sentinels: [], tls: { rejectUnauthorized: true } }
  const limits = { history_limit: 1, history_ttl: 1, sessions_ttl: 1, presence_ttl: 1, max_presence_answer_size: 1 }
  const stores = createRedisStores(
    { redis, settings: { broker: 'redis', redis_prefix: '', ...limits } },
    {
      later: () => () => {},
      every(_, then) {
        timers.add(then)
        return () => void timers.delete(then)
      },
      failed: assert.ifError,
      log: undefined as never,
    },
  )!
  const broker = stores.wrapBroker()
  stores.wrapPresence()
  stores.wrapResumables?.()
  assert.equal(timers.size, 2)

  await broker.stop()

  assert.equal(timers.size, 0)
})
