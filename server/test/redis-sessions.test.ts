/**
 * Three nodes that share a real Redis: a client may come back to any of them, and a backend reaches all clients.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS, startRedis } from '../../testing/redis.ts'
import { back, connect, jid, startRedisCable, startRedisNodes, stored, subscribed } from './redis-nodes.ts'
import { roamAll } from './roaming.ts'
import { open, turbo } from './test-cable.ts'

const REAL = { skip: NO_REDIS }

test('clients that roam between nodes miss nothing, and get nothing twice or out of order', REAL, async t => {
  const { nodes } = await startRedisNodes(t)
  await roamAll(nodes, new Random(7))
})

test('a session that is still connected is restored on another node once, and ends where it was', REAL, async t => {
  const { redis, nodes } = await startRedisNodes(t)
  const first = await subscribed(redis, nodes[0], 'a')
  const both = await Promise.all([back(nodes[1], first), back(nodes[2], first)])

  assert.equal((await first.closed).code, 1000)
  assert.deepEqual(both.map(({ welcome }) => welcome.restored).filter(Boolean), [true])
  assert.equal((await back(nodes[0], first)).welcome.restored, undefined)
})

test('only its owner resumes a session', REAL, async t => {
  const { redis, nodes } = await startRedisNodes(t)
  const first = await subscribed(redis, nodes[0], 'a')

  assert.equal((await back(nodes[1], first, jid('{"user":"bob"}'))).welcome.restored, undefined)
  assert.equal((await back(nodes[1], first)).welcome.restored, true)
})

test(
  'a session lost on one node goes on at another, and what excludes its former sid stays excluded',
  REAL,
  async t => {
    const { redis, nodes } = await startRedisNodes(t)
    const first = await subscribed(redis, nodes[0], 'a')
    await first.drop()
    const own = { stream: 'a', data: '"own"', meta: { exclude_socket: first.welcome.sid } }
    assert.equal((await nodes[2].post([own, { stream: 'a', data: '"missed"' }])).status, 201)
    const second = await back(nodes[1], first)
    assert.deepEqual(second.welcome.restored_ids, [open('a')])
    second.send({ command: 'pong' })

    assert.equal((await second.next()).message, 'missed')
    assert.equal((await nodes[2].post([own, { stream: 'a', data: '"live"' }])).status, 201)
    assert.equal((await second.next()).message, 'live')
  },
)

test('a remote disconnect ends all sessions of the identity: on each node, and lost ones', REAL, async t => {
  const { redis, nodes } = await startRedisNodes(t)
  const [here, there, lost, bob] = await Promise.all([
    ...nodes.map(node => subscribed(redis, node, 'a')),
    subscribed(redis, nodes[1], 'a', jid('{"user":"bob"}')),
  ])
  await lost!.drop()
  const request = { command: 'disconnect', payload: { identifier: '{"user":"ada"}', reconnect: false } }
  assert.equal((await nodes[2].post(request)).status, 201)

  for (const client of [here!, there!]) {
    assert.equal((await client.next()).reason, 'remote')
    await client.closed
  }
  for (const client of [here!, there!, lost!]) assert.equal((await back(nodes[1], client)).welcome.restored, undefined)
  assert.equal((await back(nodes[0], bob!, jid('{"user":"bob"}'))).welcome.restored, true)
})

test('no metric speaks of what only Redis keeps', REAL, async t => {
  const [cable] = (await startRedisNodes(t)).nodes
  const text = await (await fetch(cable.url.metrics!)).text()

  assert.match(text, /^anycable_go_broker_well 1$/m)
  assert.doesNotMatch(text, /_(lost_sessions|history|presence|publication_ids)_/)
  const { sessions, lost_sessions, history } = await cable.stats()
  assert.deepEqual([sessions, lost_sessions, Object.keys(history)], [0, undefined, ['epoch', 'offset']])
})

test('the API says how many nodes it told of a disconnect', REAL, async t => {
  const { nodes } = await startRedisNodes(t)
  const answer = await fetch(`${nodes[0].url.api}/disconnect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${nodes[0].apiKey}` },
    body: JSON.stringify({ identifier: '{"user":"ada"}' }),
  })

  assert.deepEqual(await answer.json(), { told: 3 })
})

test('a session that lives longer than --sessions_ttl can be resumed, and a lost one for that time', REAL, async t => {
  const { redis, nodes } = await startRedisNodes(t, ['--sessions_ttl=1'])
  const [idle, lost] = [await subscribed(redis, nodes[0], 'a'), await subscribed(redis, nodes[0], 'a')]
  const sid = lost.welcome.sid!
  await lost.drop()
  const dropped = performance.now()
  await stored(redis, sid, text => text === '')
  // (Longer than it would live if its node did not prolong it.)
  while (performance.now() < dropped + 4_500) await stored(redis, idle.welcome.sid!, text => text !== '')

  assert.equal((await back(nodes[1], lost)).welcome.restored, undefined)
  assert.equal((await back(nodes[1], idle)).welcome.restored, true)
})

test('a page that is ahead of its node is restored on another one, although nobody says more', REAL, async t => {
  const { redis, nodes } = await startRedisNodes(t)
  const count = (by: string) => redis.cli('HINCRBY', 'hotcable:broker:life', 'offset', by)
  await count('1000')
  const page = turbo('a', { position: await nodes[1].position() })
  const client = await connect(nodes[0])
  await client.confirmed(page)
  // (No tick brings the node so far.)
  await count('-1000')
  await stored(redis, client.welcome.sid!, text => text.includes('Turbo'))

  assert.deepEqual((await back(nodes[2], client)).welcome.restored_ids, [page])
})

test('a client does not get back on another node what it left while its own had no Redis', REAL, async t => {
  const redis = await startRedis(t)
  const proxy = await createProxy(redis.port)
  t.after(proxy.close)
  const here = await startRedisCable(t, { url: `redis://127.0.0.1:${proxy.port}` })
  const there = await startRedisCable(t, redis)
  const client = await subscribed(redis, here, 'a')
  proxy.cut()
  client.command('unsubscribe', open('a'))
  client.send({ command: 'ping' })
  assert.equal((await client.next()).type, 'pong')
  proxy.pass()
  await stored(redis, client.welcome.sid!, text => text.includes('"identifiers":[]'))

  assert.deepEqual((await back(there, client)).welcome.restored_ids, [])
})
