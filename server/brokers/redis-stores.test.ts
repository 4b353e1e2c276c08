/** What a node does again and again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRedisStores } from './redis-stores.ts'

test('a node that stops leaves no timer behind', async () => {
  const due = new Set<() => void>()
  const run = () => {
    for (const then of [...due]) {
      due.delete(then)
      then()
    }
    return due.size
  }
  const redis = { url: 'redis://127.0.0.1', sentinels: [], tls: { rejectUnauthorized: true } }
  const limits = { history_limit: 1, history_ttl: 1, sessions_ttl: 1, presence_ttl: 1, max_presence_answer_size: 1 }
  const stores = createRedisStores(
    { redis, settings: { broker: 'redis', redis_prefix: '', ...limits } },
    {
      later(_, then) {
        due.add(then)
        return () => void due.delete(then)
      },
      failed: assert.ifError,
      log: undefined as never,
    },
  )!
  const broker = stores.wrapBroker()
  stores.wrapPresence()
  stores.wrapResumables?.()
  assert.equal(run(), 2)
  const before = [...due]
  await broker.stop()

  assert.deepEqual(
    before.filter(then => due.has(then)),
    [],
  )
})
