/** A cable of several processes that uses a real Redis: as a way in for broadcasts, and as the broker. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { message, send } from './redis-cable.ts'
import { stored } from './redis-nodes.ts'
import { open } from './test-cable.ts'
import { broadcastOn, clientsOfBoth, follow, listens, OPEN, startWorkers, stats, texts } from './worker-cable.ts'

const skip = { skip: NO_REDIS }

test('the primary alone reads from Redis, by Pub/Sub and by a stream', skip, async t => {
  const redis = await startRedis(t)
  const cable = await startWorkers(t, [...OPEN, '--broadcast_adapter=http,redis,redisx', `--redis_url=${redis.url}`])
  const clients = await clientsOfBoth(cable, 4)
  await Promise.all(clients.map(client => client.confirmed(open('a'))))
  await cable.logged(/reads from Redis stream|Redis stream __anycable__/)

  await send.redis(redis, message('one'))
  await send.redisx(redis, message('two'))

  for (const client of clients)
    assert.deepEqual(texts([await client.next(), await client.next()]).sort(), ['one', 'two'])
  assert.equal(await redis.cli('PUBSUB', 'NUMSUB', '__anycable__'), '__anycable__\n1')
})

test('with --broker=redis each worker is a node: whispers, broadcasts and disconnects reach all', skip, async t => {
  const redis = await startRedis(t)
  const cable = await startWorkers(t, [...OPEN, '--streams_whisper', '--broker=redis', `--redis_url=${redis.url}`])
  const clients = await clientsOfBoth(cable, 4)
  await Promise.all(clients.map(client => listens(client, open('a'))))
  const [first, ...others] = clients

  await cable.broadcast('a', 'one')
  for (const client of clients) assert.equal((await client.next()).message, 'one')
  first!.command('whisper', open('a'), { data: 'psst' })
  for (const client of others) assert.equal((await client.next()).message, 'psst')

  const { sessions, history } = await stats(cable)
  assert.deepEqual([sessions, history.offset], [clients.length, 1])
  assert.equal(history.epoch, await redis.cli('HGET', 'hotcable:broker:life', 'epoch'))
  assert.deepEqual(await cable.api('disconnect', { identifier: 'ada' }), { told: 2 })
})

test('with --broker=redis no client misses a message when a worker is killed', skip, async t => {
  const redis = await startRedis(t)
  const cable = await startWorkers(t, [...OPEN, '--broker=redis', `--redis_url=${redis.url}`])
  const clients = await clientsOfBoth(cable, 10)
  for (const client of clients) {
    await client.confirmed(open('a'))
    await stored(redis, client.sid, text => text.includes(JSON.stringify(open('a')).slice(1, -1)))
  }
  const talk = broadcastOn(cable, 'a')
  const received = clients.map(client => follow(cable, client, 'a'))
  await pause(200)

  process.kill(cable.pids.get(1)!, 'SIGKILL')
  await cable.started(3)

  const sent = await talk.end()
  for (const { got } of await Promise.all(received)) assert.deepEqual(got, sent)
})

test('a Redis that is not fit for a broker is a line on stderr, and no worker starts', skip, async t => {
  const redis = await startRedis(t, { config: ['maxmemory-policy allkeys-lru'] })
  const flags = ['--secret=canary', '--noauth', '--workers=2', '--port=0', '--broker=redis', `--redis_url=${redis.url}`]

  const { status, stderr } = spawnSync(process.execPath, ['server/main.ts', ...flags], { encoding: 'utf8' })

  assert.equal(status, 1)
  assert.match(stderr, /^cable: .*maxmemory/)
  assert.equal(stderr.split('\n').length, 2)
})
