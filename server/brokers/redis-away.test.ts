/** The broker that nodes share, while Redis is away, comes back, or is another one. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startCable } from '../../testing/cable.ts'
import { createFront } from '../../testing/front.ts'
import { freePort } from '../../testing/ports.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { away, type NodeOptions, publication, startNode, texts, unavailable, well } from '../test/redis-node.ts'

/** Two nodes; a proxy is between Redis and the second one, which listens to `a` and `b`. */
async function apart(t: TestContext, options: NodeOptions = {}) {
  const redis = await startRedis(t)
  const proxy = await createProxy(redis.port)
  t.after(proxy.close)
  const here = await startNode(t, redis, options)
  const there = await startNode(t, { url: `redis://127.0.0.1:${proxy.port}` }, options)
  for (const stream of ['a', 'b']) await there.broker.listen(stream)
  return { here, there, proxy }
}

test('a node that lost Redis delivers what it missed, in order and once, without a gap', {
  skip: NO_REDIS,
}, async t => {
  const { here, there, proxy } = await apart(t)
  await here.broker.publish([publication('a', '1')])
  await there.until('a 1 1')
  proxy.cut()
  await away(there)
  await unavailable(there.broker.publish([publication('a', '0')]))
  for (let n = 2; n < 30; n++) await here.broker.publish([publication(n % 2 ? 'a' : 'b', String(n))])
  proxy.pass()
  await here.broker.publish([publication('a', '30')])
  await there.until('a 30 30')

  assert.deepEqual(
    there.got.map(line => line.split(' ')[2]),
    Array.from({ length: 30 }, (_, n) => String(n + 1)),
  )
})

test('a node that missed more than the history keeps says for which streams', { skip: NO_REDIS }, async t => {
  const { here, there, proxy } = await apart(t, { history_limit: 2 })
  proxy.cut()
  await away(there)
  await here.broker.publish([1, 2, 3].map(n => publication('a', String(n))))
  await here.broker.publish([publication('b', '4')])
  proxy.pass()
  await well(there)

  assert.deepEqual(there.got, ['b 4 4', 'gap a'])
})

test('a node that missed that streams were forgotten says so', { skip: NO_REDIS }, async t => {
  const { here, there, proxy } = await apart(t)
  proxy.cut()
  await away(there)
  await here.broker.forget([{ stream: 'b' }])
  proxy.pass()
  await well(there)

  assert.deepEqual(there.got, ['gap b'])
})

test('messages that arrive while a node catches up come in order and once', { skip: NO_REDIS }, async t => {
  const { here, there, proxy } = await apart(t, { history_limit: 10_000 })
  proxy.delay(20)
  const seen = () => there.got.map(line => Number(line.split(' ')[2]))
  for (let n = 1; n <= 600; n++) {
    await here.broker.publish([publication(n % 3 ? 'a' : 'b', String(n))])
    if (n % 150 === 0) proxy.drop()
  }
  await well(there)
  await here.broker.publish([publication('a', '601')])
  await there.until('a 601 601')

  assert.deepEqual(
    seen(),
    Array.from({ length: 601 }, (_, n) => n + 1),
  )
})

test('a node whose connection froze notices, and catches up by another one', { skip: NO_REDIS }, async t => {
  const { here, there, proxy } = await apart(t)
  proxy.freeze()
  await here.broker.publish([publication('a', '1')])
  await away(there)
  proxy.pass()
  await there.until('a 1 1')

  assert.deepEqual(there.got, ['a 1 1'])
  assert.match(there.lines[0]!, /silent for 5 s|no answer for/)
})

test('a new run of Redis is a new epoch for every node, with the data of the old one or without', {
  skip: NO_REDIS,
}, async t => {
  const redis = await startRedis(t, { config: ['appendonly yes', 'appendfsync always'] })
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  await there.broker.listen('a')
  await here.broker.publish([publication('a', '1'), publication('a', '2')])
  await there.until('a 2 2')
  const { epoch } = here.broker
  await redis.kill()
  await Promise.all([away(here), away(there)])
  await unavailable(here.broker.position())
  await redis.start()
  await Promise.all([well(here), well(there)])

  assert.deepEqual(there.got.slice(2), ['gap all'])
  assert.notEqual(there.broker.epoch, epoch)
  assert.equal(there.broker.epoch, here.broker.epoch)
  assert.deepEqual(await there.broker.after('a', { offset: 2, epoch }), 'gap')
  await here.broker.publish([publication('a', '3')])
  await there.until('a 1 3')
})

test('a Redis that lost its data while it ran is a new epoch', { skip: NO_REDIS }, async t => {
  const redis = await startRedis(t)
  const [here, there] = [await startNode(t, redis), await startNode(t, redis)]
  for (const { broker } of [here, there]) await broker.listen('a')
  const { epoch } = here.broker
  await redis.cli('FLUSHALL')
  await Promise.all([here, there].map(({ until }) => until('gap all')))
  await Promise.all([well(here), well(there)])

  assert.notEqual(here.broker.epoch, epoch)
  assert.equal(here.broker.epoch, there.broker.epoch)
  await here.broker.publish([publication('a', '1')])
  await there.until('a 1 1')
})

for (const [about, isLate, gaps] of [
  ['after', true, ['gap all']],
  ['before', false, []],
] as const) {
  test(`pages of other nodes ${isLate ? 'refresh' : 'stay'} if a node published to an old master ${about} they met the new one`, {
    skip: NO_REDIS,
  }, async t => {
    const [old, next] = [await startRedis(t), await startRedis(t)]
    const ports = [old.port]
    const front = await createFront(ports)
    t.after(front.close)
    const late = await startNode(t, { url: `redis://127.0.0.1:${front.port}` })
    const publish = () => late.broker.publish([publication('a', '1')])
    if (!isLate) await publish()
    const early = await startNode(t, next)
    await early.broker.listen('a')
    if (isLate) await publish()
    ports[0] = next.port
    await old.kill()
    await late.until('gap all')
    await well(late)
    await late.broker.publish([publication('a', '2')])
    const offset = isLate ? 2 : 1
    await early.until(`a ${offset} 2`)

    assert.deepEqual(early.got, [...gaps, `a ${offset} 2`])
    assert.deepEqual(late.got, ['gap all'])
  })
}

test('while Redis is out of memory nothing is published, and what it has can be read', { skip: NO_REDIS }, async t => {
  const redis = await startRedis(t)
  const { broker, got, until } = await startNode(t, redis)
  await broker.listen('a')
  await broker.publish([publication('a', '1')])
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
  const list = [publication('a', '2', { transient: true }), publication('a', '3')]
  await unavailable(broker.publish(list))

  assert.deepEqual(texts(await broker.after('a', { offset: 0, epoch: broker.epoch })), ['1 1'])
  assert.ok(broker.well)
  await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  await broker.publish([publication('a', '4')])
  await until('a 2 4')
  assert.deepEqual(got, ['a 1 1', 'a 2 4'])
})

test('a node that starts while Redis is away begins without it, and joins it when it is there', {
  skip: NO_REDIS,
}, async t => {
  const redis = await startRedis(t)
  await redis.kill()
  const node = await startNode(t, redis, { isAway: true })
  assert.ok(!node.broker.well)
  await unavailable(node.broker.listen('a'))
  await redis.start()
  await well(node)

  await node.broker.publish([publication('a', '1')])
  await node.until('a 1 1')
  assert.match(node.lines.join(), /the broker is away: .*ECONNREFUSED.*,the broker is back/)
})

test('the process of a cable starts while Redis is away, and stays', async t => {
  const url = `redis://127.0.0.1:${await freePort()}`
  const cable = await startCable(['--secret=canary-alone', '--broker=redis', `--redis_url=${url}`])
  t.after(() => cable.stop('SIGKILL'))
  const { status } = await fetch(cable.url.replace('ws', 'http').replace('/cable', '/ready'))

  assert.equal(status, 503)
})
