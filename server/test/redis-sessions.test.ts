/**
 * Three nodes that share a real Redis: a client may come back to any of them, and a backend reaches all clients.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { NO_REDIS } from '../../testing/redis.ts'
import { back, connect, jid, startRedisNodes, stored, subscribed } from './redis-nodes.ts'
import { open, type TestCable } from './test-cable.ts'

const REAL = { skip: NO_REDIS }

test('clients that roam between nodes miss nothing, and get nothing twice or out of order', REAL, async t => {
  const { nodes } = await startRedisNodes(t)
  const random = new Random(7)
  let restored = 0
  const roaming = Array.from({ length: 6 }, async () => {
    restored += await roam(nodes, random)
  })
  for (let n = 1; n <= 60; n++)
    assert.equal((await random.pick(nodes).post({ stream: 'a', data: `"${n}"` })).status, 201)
  await Promise.all(roaming)

  assert.ok(restored > 0, 'some sessions were restored')
})

/** Reads all messages as a stock client does. Returns how many of its sessions were restored. */
async function roam(nodes: readonly TestCable[], random: Random): Promise<number> {
  const got: number[] = []
  let sid = ''
  let restored = 0
  let epoch = (await nodes[0]!.position()).split(/[/-]/)[1]
  for (;;) {
    const client = await connect(random.pick(nodes), `${jid()}&sid=${sid}`)
    sid = client.welcome.sid!
    const history = { streams: { a: { epoch, offset: got.at(-1) ?? 0 } } }
    const isRestored = client.welcome.restored_ids?.includes(open('a')) ?? false
    if (isRestored) restored++
    client.command(isRestored ? 'history' : 'subscribe', open('a'), { history })
    for (let left = 1 + random.below(15); left > 0; ) {
      const frame = await client.next()
      if (frame.offset === undefined) continue
      left--
      epoch = frame.epoch
      got.push(frame.offset)
      if (frame.offset < 60) continue
      assert.deepEqual(
        got,
        Array.from({ length: 60 }, (_, n) => n + 1),
      )
      return restored
    }
    // Half of the time the old node does not notice before the new one restores the session.
    if (random.chance(0.5)) await client.drop()
  }
}

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
