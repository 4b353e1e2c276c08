/** The reader of a Redis stream: nothing is lost, nothing comes twice, and one cable reads at a time. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS, startRedis, type TestRedis } from '../../testing/redis.ts'
import type { SyncBroker } from '../brokers/memory.ts'
import { createDelayingBroker, type DelayingBroker } from '../test/delaying-broker.ts'
import { since } from '../test/history-messages.ts'
import { listening, message, redisCable, says, send } from '../test/redis-cable.ts'
import { counted, refused, type TestCable, turbo } from '../test/test-cable.ts'

const skip = { skip: NO_REDIS }
const KEY = '__anycable__'

const pending = async (redis: TestRedis): Promise<number> =>
  Number((await redis.cli('XPENDING', KEY, 'bx')).split('\n')[0])
const length = async (redis: TestRedis): Promise<number> => Number(await redis.cli('XLEN', KEY))

/** Resolves once the stream has no entry, and the group has none that is unfinished. */
async function isEmpty(redis: TestRedis): Promise<void> {
  while ((await length(redis)) + (await pending(redis)) > 0) await setImmediate()
}

test('an entry is deleted once it was published', skip, async t => {
  const redis = await startRedis(t)
  const { client } = await listening(t, 'redisx', redis)
  await send.redisx(redis, message('one'))

  assert.equal((await client.next()).message, 'one')
  await isEmpty(redis)
})

test('a connection that ends between the publication and its acknowledgement doubles nothing', skip, async t => {
  const redis = await startRedis(t)
  const proxy = await createProxy(redis.port)
  t.after(() => proxy.close())
  const { cable, client } = await listening(t, 'redisx', { url: `redis://127.0.0.1:${proxy.port}` })
  // The end of the answer to XREADGROUP.
  proxy.cutAfter(`${message('one')}\r\n`)
  await send.redisx(redis, message('one'))
  await isEmpty(redis)
  await send.redisx(redis, message('two'))

  assert.equal((await client.next()).message, 'one')
  assert.equal((await client.next()).message, 'two')
  assert.equal(await counted(cable, 'repeated_broadcast_msg_total'), 1)
})

/** A stream with these entries, which `consumer` has read, and did not finish. */
async function unfinished(t: TestContext, consumer: string, names: readonly string[]): Promise<TestRedis> {
  const redis = await startRedis(t)
  await redis.cli('XGROUP', 'CREATE', KEY, 'bx', '$', 'MKSTREAM')
  for (const name of names) await send.redisx(redis, message(name))
  await redis.cli('XREADGROUP', 'GROUP', 'bx', consumer, 'STREAMS', KEY, '>')
  return redis
}

/** The messages that the cable has published so far. */
async function published(cable: TestCable): Promise<unknown[]> {
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.confirmed(turbo('a'), { history: { since: since(), streams: {} } })
  return (await client.history()).flatMap(({ type, message }) => (type === undefined ? [message] : []))
}

test('what a killed cable had read comes first, in the order of the stream', skip, async t => {
  const redis = await unfinished(t, 'hotcable', ['one', 'two'])
  await send.redisx(redis, message('three'))
  const cable = await redisCable(t, 'redisx', redis.url)
  await says(cable, /^200 ready$/)

  assert.deepEqual(await published(cable), ['one', 'two', 'three'])
  await isEmpty(redis)
})

test('what the consumer of another program did not finish is published as well, after a while', skip, async t => {
  const redis = await unfinished(t, 'other', ['one', 'two'])
  const cable = await redisCable(t, 'redisx', redis.url)
  await isEmpty(redis)

  assert.deepEqual(await published(cable), ['one', 'two'])
})

test('a refused entry is set aside with its reason, and may be of any shape', skip, async t => {
  const redis = await startRedis(t)
  const { client } = await listening(t, 'redisx', redis)
  await redis.cli('XADD', KEY, '1-1', 'other', 'field')
  await redis.cli('XADD', KEY, '1-2', 'payload', '{"stream":"a"}', 'more', 'fields')
  await send.redisx(redis, message('fine'))

  assert.equal((await client.next()).message, 'fine')
  await isEmpty(redis)
  assert.deepEqual(
    (await redis.cli('XRANGE', `hotcable:refused:${KEY}`, '-', '+')).split('\n').filter(line => !/^\d{9,}-/.test(line)),
    [
      ...['id', '1-1', 'code', 'publication_malformed', 'reason', 'the entry has no field payload'],
      ...[
        'id',
        '1-2',
        'code',
        'publication_malformed',
        'reason',
        'data must be a string (of JSON: encode it once more)',
      ],
      ...['payload', '{"stream":"a"}'],
    ],
  )
})

test('entries are read, and a refused one is not in the way, when the memory of Redis is full', skip, async t => {
  const redis = await unfinished(t, 'hotcable', ['one'])
  await redis.cli('XADD', KEY, '*', 'payload', '{')
  await send.redisx(redis, message('two'))
  await redis.cli('CONFIG', 'SET', 'maxmemory', '1000')
  const cable = await redisCable(t, 'redisx', redis.url)
  await isEmpty(redis)

  assert.deepEqual(await published(cable), ['one', 'two'])
  assert.match(cable.lines.join(''), /ERR a refused broadcast was deleted instead of set aside/)
})

test(
  'while the broker is away entries wait in Redis, and afterwards come once, in order, and without a refresh',
  skip,
  async t => {
    const redis = await startRedis(t)
    let broker: DelayingBroker | undefined
    const wrapBroker = (memory: SyncBroker) => {
      broker = createDelayingBroker(memory, { seed: 1, maxMs: 5 })
      return broker
    }
    const { cable, client } = await listening(t, 'redisx', redis, { parts: { wrapBroker } })
    broker!.isAway = true
    const names = Array.from({ length: 100 }, (_, n) => `${n}`)
    for (const name of names) await send.redisx(redis, message(name))
    while ((await refused(cable, 'broker_unavailable')) < 2) await setImmediate()
    assert.equal(await length(redis), 100)
    assert.ok((await pending(redis)) <= 32, 'the cable holds one batch')
    broker!.isAway = false

    const frames = await client.until(frame => frame.message === '99')
    assert.deepEqual(
      frames.map(frame => frame.message),
      names,
    )
    assert.equal(await counted(cable, 'redis_refused_msg_total'), 0)
  },
)

test(
  'a cable that starts while the broker is away publishes what waited in order, and holds one batch',
  skip,
  async t => {
    const redis = await unfinished(t, 'hotcable', ['0', '1'])
    const names = Array.from({ length: 100 }, (_, n) => `${n}`)
    for (const name of names.slice(2)) await send.redisx(redis, message(name))
    let broker: DelayingBroker | undefined
    const wrapBroker = (memory: SyncBroker) => {
      broker = createDelayingBroker(memory, { seed: 1, maxMs: 5 })
      broker.isAway = true
      return broker
    }
    const cable = await redisCable(t, 'redisx', redis.url, { parts: { wrapBroker } })
    while ((await refused(cable, 'broker_unavailable')) < 3) await setImmediate()
    assert.ok((await pending(redis)) <= 32)
    broker!.isAway = false
    await isEmpty(redis)

    assert.deepEqual(await published(cable), names)
  },
)

test('a group that is gone is made again, and pages refresh', skip, async t => {
  const redis = await startRedis(t)
  const { client } = await listening(t, 'redisx', redis)
  await redis.cli('FLUSHALL')
  await send.redisx(redis, message('after'))

  const frames = await client.until(frame => frame.message === 'after')
  assert.match(JSON.stringify(frames), /refresh/)
})

test('one cable reads and admits clients; when it stops, the next one does at once', skip, async t => {
  const redis = await startRedis(t)
  const { cable: first, client } = await listening(t, 'redisx', redis)
  const second = await redisCable(t, 'redisx', redis.url)
  await says(second, /^503 Redis stream __anycable__ is read by another cable$/)
  await assert.rejects(second.connect(), /503/)
  await send.redisx(redis, message('one'))
  assert.equal((await client.next()).message, 'one')
  await first.close()
  await says(second, /^200 ready$/)
  const next = await second.welcomed()
  await next.confirmed(turbo('a'))
  await send.redisx(redis, message('two'))

  assert.equal((await next.next()).message, 'two')
  assert.equal(await refused(second, 'redisx_elsewhere'), 1)
})

test(
  'when the connection of the reader freezes, another cable reads, and the first one ends its clients',
  skip,
  async t => {
    const redis = await startRedis(t)
    const proxy = await createProxy(redis.port)
    t.after(() => proxy.close())
    const { cable: first, client } = await listening(t, 'redisx', { url: `redis://127.0.0.1:${proxy.port}` })
    const second = await redisCable(t, 'redisx', redis.url)
    await says(second, /^503 .* another cable$/)
    proxy.freeze()
    await says(second, /^200 ready$/)
    proxy.drop()
    proxy.pass()
    await says(first, /^503 .* another cable$/)

    const frames = await client.until(frame => frame.type === 'disconnect')
    assert.deepEqual(frames.at(-1), { type: 'disconnect', reason: 'server_restart', reconnect: true })
  },
)
