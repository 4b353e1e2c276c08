/** Presence over three nodes that share a real Redis. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCable as startProcess } from '../../testing/cable.ts'
import { type Client, connect as connectTo, EXTENDED } from '../../testing/client.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { back, connect, startRedisCable, startRedisNodes } from './redis-nodes.ts'
import { open, SECRET, type TestCable } from './test-cable.ts'

const REAL = { skip: NO_REDIS }
const A = open('a')

async function listening(cable: TestCable) {
  const client = await connect(cable)
  await client.confirmed(A)
  return client
}

const join = (client: Client, id: string, info?: object) => client.command('join', A, { presence: { id, info } })

async function present(client: Client): Promise<unknown> {
  client.command('presence', A)
  const frames = await client.until(({ message }) => (message as { type?: string } | undefined)?.type === 'info')
  return frames.at(-1)!.message
}

test('the members of a stream are the same on each node, and each hears of one once', REAL, async t => {
  const { nodes } = await startRedisNodes(t)
  const [watcher, ada, again] = [await listening(nodes[0]), await listening(nodes[1]), await listening(nodes[2])]
  join(ada, 'ada', { name: 'Ada' })
  assert.deepEqual((await watcher.next()).message, { id: 'ada', info: { name: 'Ada' }, type: 'join' })
  assert.deepEqual(await present(watcher), { type: 'info', total: 1, records: [{ id: 'ada', info: { name: 'Ada' } }] })
  join(again, 'ada', { name: 'Ada L.' })
  assert.deepEqual(await present(again), { type: 'info', total: 1, records: [{ id: 'ada', info: { name: 'Ada L.' } }] })
  ada.command('leave', A)
  join(ada, 'bob')
  assert.deepEqual((await watcher.next()).message, { id: 'bob', type: 'join' })
  again.command('leave', A)

  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'leave' })
  assert.deepEqual(await present(watcher), { type: 'info', total: 1, records: [{ id: 'bob' }] })
})

test('a member that comes back to another node in time does not leave', REAL, async t => {
  const { nodes } = await startRedisNodes(t, ['--presence_ttl=2'])
  const [watcher, first] = [await listening(nodes[0]), await listening(nodes[1])]
  join(first, 'ada')
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
  await first.drop()
  const second = await back(nodes[2], first)
  join(second, 'ada')
  const third = await listening(nodes[1])
  join(third, 'bob')
  assert.deepEqual((await watcher.next()).message, { id: 'bob', type: 'join' })
  await third.drop()

  // (The lost session of ada was due before this one.)
  assert.deepEqual((await watcher.next()).message, { id: 'bob', type: 'leave' })
  assert.deepEqual(await present(watcher), { type: 'info', total: 1, records: [{ id: 'ada' }] })
})

test('the members of a node that died leave', REAL, async t => {
  const redis = await startRedis(t)
  const watcher = await listening(await startRedisCable(t, redis, ['--presence_ttl=2']))
  const flags = [`--secret=${SECRET}`, '--broker=redis', `--redis_url=${redis.url}`, '--public_streams', '--noauth']
  const doomed = await startProcess([...flags, '--presence_ttl=2'])
  t.after(() => doomed.stop('SIGKILL'))
  const ada = await connectTo(t, doomed.url, { protocols: EXTENDED })
  await ada.next()
  await ada.confirmed(A)
  join(ada, 'ada')
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
  await doomed.stop('SIGKILL')

  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'leave' })
})

test(
  'a node that was cut off for longer than --presence_ttl brings its members again, without those that left',
  REAL,
  async t => {
    const redis = await startRedis(t)
    const proxy = await createProxy(redis.port)
    t.after(proxy.close)
    const watcher = await listening(await startRedisCable(t, redis, ['--presence_ttl=1']))
    const far = await startRedisCable(t, { url: `redis://127.0.0.1:${proxy.port}` }, ['--presence_ttl=1'])
    const [ada, bob] = [await listening(far), await listening(far)]
    join(ada, 'ada')
    assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
    join(bob, 'bob')
    assert.deepEqual((await watcher.next()).message, { id: 'bob', type: 'join' })
    proxy.cut()
    const gone = [(await watcher.next()).message, (await watcher.next()).message]
    assert.deepEqual(
      gone.map(message => (message as { type: string }).type),
      ['leave', 'leave'],
    )
    // Redis hears of it later.
    bob.command('leave', A)
    proxy.pass()

    assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
    assert.deepEqual(await present(watcher), { type: 'info', total: 1, records: [{ id: 'ada' }] })
  },
)
