/**
 * Sessions and presence on two nodes: a client may resume its session on the other one, and a backend reaches all of them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { EXTENDED } from '../../testing/client.ts'
import { testSeeds } from './delayed-cable.ts'
import { roamAll } from './roaming.ts'
import { counted, METRICS, open, refused, token } from './test-cable.ts'
import { startNodes, type TestNode } from './two-nodes.ts'

const FLAGS = ['--public_streams', METRICS]
const ADA = '{"user":"ada"}'
const jid = (ext = ADA) => `?jid=${token({ ext })}`
const connect = ({ cable }: TestNode, query = jid()) => cable.welcomed({ query, protocols: EXTENDED })
const back = (node: TestNode, { welcome }: { welcome: { sid?: string } }) =>
  connect(node, `${jid()}&sid=${welcome.sid}`)

/** Waits until the stores have all that a node sent them. */
const stored = async ({ way }: TestNode): Promise<void> => void (await way.call(() => {}))

/** Subscribes, and waits until the other node could restore the subscription. */
async function subscribed(node: TestNode, stream: string) {
  const client = await connect(node)
  await client.confirmed(open(stream))
  while (!node.sessions.get(client.welcome.sid!)?.identifiers.includes(open(stream))) await setImmediate()
  return client
}

testSeeds(
  'clients that roam between two nodes miss nothing, and get nothing twice or out of order',
  8,
  async (t, seed) => {
    const random = new Random(seed)
    const nodes = await startNodes(t, seed, FLAGS)
    await roamAll(
      nodes.map(({ cable }) => cable),
      random,
    )
  },
)

testSeeds(
  'a session that is still connected is restored on the other node once, and ends on its own',
  6,
  async (t, seed) => {
    const [here, there] = await startNodes(t, seed, FLAGS)
    const first = await subscribed(here, 'a')
    const [one, two] = await Promise.all([back(there, first), back(here, first)])

    assert.equal((await first.closed).code, 1000)
    assert.deepEqual([one.welcome.restored, two.welcome.restored].filter(Boolean), [true])
    await stored(here)
    assert.equal((await back(there, first)).welcome.restored, undefined)
  },
)

testSeeds(
  'a lost session is restored on the other node, which keeps broadcasts from it that exclude its former sid',
  6,
  async (t, seed) => {
    const [here, there] = await startNodes(t, seed, FLAGS)
    const first = await subscribed(here, 'a')
    await first.drop()
    const missed = { stream: 'a', data: '"missed"' }
    const own = { stream: 'a', data: '"own"', meta: { exclude_socket: first.welcome.sid } }
    assert.equal((await here.cable.post([own, missed])).status, 201)
    const second = await back(there, first)
    assert.deepEqual(second.welcome.restored_ids, [open('a')])
    second.send({ command: 'pong' })

    assert.equal((await second.next()).message, 'missed')
    assert.equal((await here.cable.post([own, { stream: 'a', data: '"live"' }])).status, 201)
    assert.equal((await second.next()).message, 'live')
  },
)

testSeeds(
  'a remote disconnect ends all sessions of the identity: of each node, lost, and about to resume',
  6,
  async (t, seed) => {
    const [here, there] = await startNodes(t, seed, FLAGS)
    const [near, far, lost, late] = [
      await subscribed(here, 'a'),
      await subscribed(there, 'a'),
      await subscribed(there, 'a'),
      await subscribed(here, 'a'),
    ]
    for (const client of [lost, late]) await client.drop()
    const resuming = back(there, late)
    const { status } = await here.cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: false } })
    assert.equal(status, 201)

    for (const client of [near, far]) assert.equal((await client.next()).reason, 'remote')
    // It had resumed its session, or not; afterwards it is either disconnected or a new session.
    const resumed = await resuming.catch(() => undefined)
    if (resumed?.welcome.restored) assert.equal((await resumed.next()).reason, 'remote')
    await Promise.all([near.closed, far.closed])
    for (const client of [near, far, lost, late]) assert.equal((await back(there, client)).welcome.restored, undefined)
  },
)

test('members of a stream are the same on each node, and one that moves to the other does not leave', async t => {
  const [here, there] = await startNodes(t, 1, FLAGS)
  const watcher = await subscribed(there, 'a')
  const first = await subscribed(here, 'a')
  first.command('join', open('a'), { presence: { id: 'ada' } })
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'join' })
  await first.drop()
  const second = await back(there, first)
  second.command('join', open('a'), { presence: { id: 'ada' } })
  second.command('presence', open('a'))
  const { message } = (await second.until(({ type }) => type === 'presence')).at(-1)!
  assert.deepEqual(message, { type: 'info', total: 1, records: [{ id: 'ada' }] })

  second.command('leave', open('a'))
  // (Its lost session leaves later.)
  assert.deepEqual((await watcher.next()).message, { id: 'ada', type: 'leave' })
})

test('while the stores are away a client gets a new session, joins nothing, and a backend cannot disconnect', async t => {
  const [here] = await startNodes(t, 1, FLAGS)
  const first = await subscribed(here, 'a')
  here.way.isAway = true
  const second = await back(here, first)
  await second.confirmed(open('a'))
  second.command('join', open('a'), { presence: { id: 'ada' } })

  assert.equal(second.welcome.restored, undefined)
  while ((await refused(here.cable, 'presence_unavailable')) === 0);
  const { status } = await here.cable.post({ command: 'disconnect', payload: { identifier: ADA, reconnect: true } })
  assert.equal(status, 503)
  assert.equal(await counted(here.cable, 'refusals_total{code="internal"}'), 0)
})
