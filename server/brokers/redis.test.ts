/** The broker that nodes share, in a real Redis. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { publication, startNode, texts } from '../test/redis-node.ts'
import { createRedisPresence } from './redis-presence.ts'
import { createRedisSessions } from './redis-sessions.ts'

const REAL = { skip: NO_REDIS }

test('an entry reaches every node that listens, in order and once, and no other node', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there, deaf] = [await startNode(t, redis), await startNode(t, redis), await startNode(t, redis)]
  assert.equal(here.broker.epoch, there.broker.epoch)
  for (const { broker } of [here, there]) assert.equal(await broker.listen('a'), 0)
  await deaf.broker.listen('b')
  await here.broker.publish([publication('a', '"one"'), publication('a', '"two\\n"', { exclude: 'x', type: 'y' })])
  await there.broker.publish([publication('b', '3')])
  await there.broker.publish([publication('a', '4', { transient: true })])
  await here.broker.tell('a', { message: '5', fromClient: true })

  await there.until('a client 5')
  await here.until('a client 5')
  assert.deepEqual(here.got, ['a 1 "one"', 'a 2 "two\\n"', 'a live 4', 'a client 5'])
  assert.deepEqual(there.got, here.got)
  await deaf.until('b 3 3')
  assert.deepEqual(deaf.got, ['b 3 3'])
  const found = await here.broker.after('a', { offset: 0, epoch: here.broker.epoch })
  assert.deepEqual(found, [
    { stream: 'a', offset: 1, message: '"one"', exclude: undefined, type: undefined },
    { stream: 'a', offset: 2, message: '"two\\n"', exclude: 'x', type: 'y' },
  ])
})

test('a node learns by a tick how far the counter is, though it listens to nothing', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  await here.broker.publish([publication('a', '1'), publication('b', '2')])

  while (there.broker.seen !== 2) await pause(5)
  assert.deepEqual(await there.broker.position(), { offset: 2, epoch: here.broker.epoch })
})

test('a stream keeps its newest messages, and a position before a dropped one is a gap', {
  skip: NO_REDIS,
}, async t => {
  const redis = await startRedis(t)
  const { broker } = await startNode(t, redis, { history_limit: 2 })
  const after = async (offset: number, stream = 'a') =>
    texts(await broker.after(stream, { offset, epoch: broker.epoch }))
  await broker.publish([1, 2, 3, 4].map(n => publication('a', String(n))))
  await broker.publish([publication('b', '5')])

  assert.deepEqual(await after(1), 'gap')
  assert.deepEqual(await after(2), ['3 3', '4 4'])
  assert.deepEqual(await after(4), [])
  assert.deepEqual(await after(0, 'b'), ['5 5'])
  assert.deepEqual(await after(5, 'nothing'), [])
  assert.deepEqual(await after(6), 'gap')
  assert.deepEqual(await broker.after('a', { offset: 4, epoch: 'another' }), 'gap')
  assert.deepEqual(texts(await broker.since('a', 0)), ['3 3', '4 4'])
  assert.deepEqual(texts(await broker.since('a', Date.now() / 1000 + 60)), [])
})

test('messages that expired are a gap, also after the stream was published to again', REAL, async t => {
  const redis = await startRedis(t)
  const { broker } = await startNode(t, redis, { history_ttl: 1 })
  const after = async (offset: number, stream: string) =>
    texts(await broker.after(stream, { offset, epoch: broker.epoch }))
  await broker.publish([publication('a', '1'), publication('b', '2')])
  while ((await redis.cli('EXISTS', `hotcable:${broker.epoch}:s:a`)) === '1') await pause(50)
  await broker.publish([publication('b', '3')])

  assert.deepEqual(await after(0, 'a'), 'gap')
  assert.deepEqual(await after(1, 'a'), [])
  assert.deepEqual(await after(1, 'b'), 'gap')
  assert.deepEqual(await after(2, 'b'), ['3 3'])
  assert.deepEqual(texts(await broker.since('b', 0)), ['3 3'])
})

test('once a stream is forgotten, only positions of the last ten times its age are valid', {
  skip: NO_REDIS,
}, async t => {
  const redis = await startRedis(t)
  const { broker } = await startNode(t, redis, { history_ttl: 1 })
  const after = async (offset: number) => texts(await broker.after('a', { offset, epoch: broker.epoch }))
  await broker.publish([publication('a', '1'), publication('other', '2')])
  const horizon = `hotcable:${broker.epoch}:h:a`
  while ((await redis.cli('EXISTS', horizon)) === '1') await pause(100)
  await broker.publish([publication('other', '3')])

  assert.deepEqual([await after(0), await after(1), await after(2), await after(3)], ['gap', 'gap', [], []])
})

test('an id is published once, by whichever node, and not after a list that was taken', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  await here.broker.listen('a')
  const [first, other] = [publication('a', '1', { id: 'x' }), publication('a', '2')]
  const taken = [await here.broker.publish([first, first]), await there.broker.publish([first, other])]

  assert.deepEqual(taken, [[first], [other]])
  await here.until('a 2 2')
  assert.deepEqual(here.got, ['a 1 1', 'a 2 2'])
})

test('of the messages with one key only the newest stays, and no position becomes a gap', REAL, async t => {
  const redis = await startRedis(t)
  const { broker } = await startNode(t, redis, { history_limit: 3 })
  const after = async (offset: number) => texts(await broker.after('a', { offset, epoch: broker.epoch }))
  const keep = (message: string, key?: string, exclude?: string) =>
    broker.publish([publication('a', message, { ...(key && { key }), ...(exclude && { exclude }) })])
  for (const n of [1, 2, 3, 4, 5]) await keep(String(n), 'bar')
  await keep('6')
  assert.deepEqual(
    [await after(0), await after(3)],
    [
      ['5 5', '6 6'],
      ['5 5', '6 6'],
    ],
  )

  // A session that a message excludes may have missed the older one.
  await keep('7', 'bar', 'ada')
  assert.deepEqual(await after(0), ['5 5', '6 6', '7 7'])
  await keep('8', 'bar')
  assert.deepEqual(await after(0), ['6 6', '8 8'])
  await keep('9')
  await keep('10')
  assert.deepEqual([await after(0), await after(6)], ['gap', ['8 8', '9 9', '10 10']])
  await keep('11')
  await keep('12', 'bar')
  assert.deepEqual([await after(8), await after(9)], ['gap', ['10 10', '11 11', '12 12']])
})

test('forgotten streams are a gap on every node, for earlier positions only', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  const after = async (stream: string, offset: number) =>
    texts(await there.broker.after(stream, { offset, epoch: there.broker.epoch }))
  await here.broker.publish([publication('a', '1'), publication('b', '2')])
  await here.broker.forget([{ stream: 'a' }, { stream: 'c' }, { stream: 'a' }])
  await there.until('gap a,c')
  assert.deepEqual(await after('a', 2), 'gap')
  assert.deepEqual(await after('c', 2), 'gap')
  assert.deepEqual(await after('b', 1), ['2 2'])
  assert.deepEqual(await after('a', there.broker.seen), [])

  await here.broker.forget('all')
  await there.until('gap all')
  assert.deepEqual(await after('b', 3), 'gap')
  assert.deepEqual(await after('b', there.broker.seen), [])
})

test('a stream is not forgotten for a publication that another node took by its id', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  await there.broker.publish([publication('a', '1', { id: 'x' })])
  await here.broker.forget([{ stream: 'a', id: 'x' }])
  await here.broker.forget([
    { stream: 'a', id: 'x' },
    { stream: 'b/é"', id: 'y' },
  ])
  await there.until('gap b/é"')

  assert.deepEqual(there.got, ['gap b/é"'])
  assert.deepEqual(texts(await there.broker.after('a', { offset: 0, epoch: there.broker.epoch })), ['1 1'])
})

test('a node knows how many nodes there are', REAL, async t => {
  const redis = await startRedis(t)
  const nodes = [await startNode(t, redis), await startNode(t, redis), await startNode(t, redis)]
  const counts = () => nodes.map(({ broker }) => broker.nodes)
  while (counts().join() !== '3,3,3') await pause(10)
  await nodes.pop()!.broker.stop()

  while (counts().join() !== '2,2') await pause(10)
})

test('a signal reaches all nodes, and says how many', REAL, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  assert.deepEqual(await here.broker.signal({ identity: 'ada', reconnect: false }), { told: 2 })

  for (const { until } of [here, there]) await until('signal {"identity":"ada","reconnect":false}')
})

test('two databases of one Redis, and two prefixes, know nothing of each other', REAL, async t => {
  const { url } = await startRedis(t)
  const nodes = [
    await startNode(t, { url }),
    await startNode(t, { url: `${url}/1` }),
    await startNode(t, { url }, { prefix: 'other' }),
  ]
  for (const [n, { broker }] of nodes.entries()) {
    await broker.listen('a')
    await broker.publish([publication('a', String(n))])
  }
  for (const [n, { got, until }] of nodes.entries()) {
    await until(`a 1 ${n}`)
    assert.deepEqual(got, [`a 1 ${n}`])
  }
  assert.equal(new Set(nodes.map(({ broker }) => broker.epoch)).size, 3)
})

test('the user of Redis that docs/operating.md describes may do all that a node does', REAL, async t => {
  const guide = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8')
  const [, rights] = /A user of Redis needs\s`([^`]+)`/.exec(guide)!
  const redis = await startRedis(t, { config: [`user cable on >qwerty ${rights}`] })
  const { broker, until, lines } = await startNode(
    t,
    { url: redis.url.replace('//', '//cable:qwerty@') },
    { prefix: 'hotcable:broker' },
  )
  assert.deepEqual(lines, [])
  await broker.listen('a')
  await broker.publish([publication('a', '1', { id: 'x', key: 'k' })])
  await broker.tell('a', { message: '2', fromClient: true })
  await broker.signal({ identity: 'ada', reconnect: true })
  broker.unlisten('a')
  await broker.forget('all')
  const part = { broker, ttlSeconds: 10, every: () => {}, failed: (error: unknown) => assert.fail(String(error)) }
  const presence = createRedisPresence({ ...part, maxAnswerBytes: 1e6 })
  await presence.join('a', 'sid', 'ada', undefined)
  await presence.leave('a', 'sid')
  const sessions = createRedisSessions(part)
  const snapshot = { identity: 'ada', anonymous: false, sids: ['sid'] }
  await sessions.connected.add(snapshot)

  assert.deepEqual(await sessions.take('sid', snapshot), snapshot)
  await until('gap all')
})

test('a Redis that may drop keys, or that is a cluster, is refused in words', REAL, async t => {
  const evicting = await startRedis(t, { config: ['maxmemory-policy allkeys-lru'] })
  await assert.rejects(startNode(t, evicting), /needs maxmemory-policy noeviction, not allkeys-lru/)
  const cluster = await startRedis(t, { config: ['cluster-enabled yes'] })
  await assert.rejects(startNode(t, cluster), /does not work with Redis Cluster/)
})
