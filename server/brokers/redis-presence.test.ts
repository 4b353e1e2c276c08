/** Presence in Redis: leases of nodes that end, and begin again. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { NO_REDIS, startRedis, type TestRedis } from '../../testing/redis.ts'
import { startNode } from '../test/redis-node.ts'
import { createRedisPresence } from './redis-presence.ts'

/** More than one upkeep removes. */
const MANY = 1_200

/** `upkeep` runs one, which renews the lease. */
async function attended(t: TestContext, redis: TestRedis) {
  const { broker } = await startNode(t, redis)
  const due: (() => void)[] = []
  const presence = createRedisPresence({
    ...{ broker, ttlSeconds: 60, maxAnswerBytes: 1e6 },
    every: (_, then) => due.push(then),
    failed: error => assert.fail(String(error)),
  })
  const upkeep = async () => {
    due[0]!()
    await broker.position()
  }
  return { presence, upkeep, count: async () => (await presence.present('a')).total }
}

test('a node whose lease ended while other nodes were still removing its members brings all of them again', {
  skip: NO_REDIS,
}, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await attended(t, redis), await attended(t, redis)]
  await Promise.all(Array.from({ length: MANY }, (_, n) => here.presence.join('a', `sid${n}`, `id${n}`, undefined)))
  await redis.cli(
    'ZADD',
    'hotcable:presence:nodes',
    '1',
    await redis.cli('ZRANGE', 'hotcable:presence:nodes', '0', '0'),
  )
  await there.upkeep()
  assert.ok((await there.count()) < MANY && (await there.count()) > 0, 'some have left, and some have not')
  await here.upkeep()
  while ((await here.count()) < MANY);
  for (let times = 0; times < 5; times++) await there.upkeep()

  assert.equal(await there.count(), MANY)
  await here.presence.leave('a', 'sid0')
  assert.equal(await there.count(), MANY - 1)
})
