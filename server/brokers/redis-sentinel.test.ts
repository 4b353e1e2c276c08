/** A fail-over by a real Redis Sentinel, as the nodes of a cable see it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { away, publication, startNode, texts, unavailable, well } from '../test/redis-node.ts'

test('when the master dies the nodes go on with its replica, in another epoch, and each page has a gap', {
  skip: NO_REDIS,
}, async t => {
  const master = await startRedis(t)
  const replica = await startRedis(t, { config: [`replicaof 127.0.0.1 ${master.port}`] })
  while (!(await replica.cli('INFO', 'replication')).includes('master_link_status:up')) await pause(50)
  const config = [
    `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds mymaster 500',
    'sentinel failover-timeout mymaster 2000',
  ]
  const sentinel = await startRedis(t, { program: 'redis-sentinel', config })
  const known = async () => await sentinel.cli('SENTINEL', 'replicas', 'mymaster')
  while (!(await known()).includes(`127.0.0.1:${replica.port}`)) await pause(50)
  const server = { url: 'redis://mymaster', sentinels: [sentinel.url] }
  const [here, there] = [await startNode(t, server), await startNode(t, server)]
  await there.broker.listen('a')
  await here.broker.publish([publication('a', '1')])
  await there.until('a 1 1')
  const { epoch } = here.broker
  await master.kill()
  await Promise.all([away(here), away(there)])
  await unavailable(here.broker.publish([publication('a', 'lost')]))
  await Promise.all([well(here), well(there)])

  assert.deepEqual([here.got, there.got.slice(1)], [['gap all'], ['gap all']])
  assert.equal(here.broker.epoch, there.broker.epoch)
  assert.deepEqual(await there.broker.after('a', { offset: 1, epoch }), 'gap')
  await here.broker.publish([publication('a', '2')])
  await there.until('a 1 2')
  assert.deepEqual(texts(await there.broker.after('a', { offset: 0, epoch: there.broker.epoch })), ['1 2'])
  assert.match(await replica.cli('ROLE'), /^master/)
})
