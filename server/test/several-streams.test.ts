/**
 * Subscriptions to several streams: one confirmation, one replay in the order of offsets, and one end.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { EXTENDED, type Frame } from '../../testing/client.ts'
import type { SyncBroker } from '../brokers/memory.ts'
import { createDelayingBroker } from './delaying-broker.ts'
import { several, wrapResolve } from './several-streams.ts'
import { counted, METRICS, open, startCable, type TestCable } from './test-cable.ts'

const STREAMS = ['a', 'b', 'c']
const FLAGS = ['--noauth', '--public_streams', METRICS]

const messagesOf = (frames: readonly Frame[]) => frames.filter(({ message }) => message !== undefined)
const told = (frames: readonly Frame[]) => frames.map(({ type, message }) => message ?? type)

async function broadcastEach(cable: TestCable, ...streams: string[]): Promise<void> {
  for (const stream of streams) await cable.broadcast(stream, `to ${stream}`)
}

test('a subscription to several streams gets the messages of each, in order, and each names its stream', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  const client = await cable.welcomed()
  await client.confirmed(several(STREAMS))
  await broadcastEach(cable, 'b', 'other', 'a', 'c', 'a')

  const frames = [await client.next(), await client.next(), await client.next(), await client.next()]
  assert.deepEqual(told(frames), ['to b', 'to a', 'to c', 'to a'])
  assert.deepEqual(
    frames.map(({ stream_id }) => stream_id),
    ['b', 'a', 'c', 'a'],
  )
})

test('a page gets the messages of all its streams since it was rendered, by their offsets, before live ones', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  await broadcastEach(cable, 'a')
  const position = await cable.position()
  await broadcastEach(cable, 'c', 'b', 'other', 'c', 'a')
  const client = await cable.welcomed()
  await client.confirmed(several(STREAMS, { position }))
  await broadcastEach(cable, 'b')

  const frames = await client.until(({ offset }) => offset === 7)
  assert.deepEqual(
    frames.map(({ offset, stream_id }) => `${offset} ${stream_id}`),
    ['2 c', '3 b', '5 c', '6 a', '7 b'],
  )
})

test('a client that sends positions by stream gets the messages of each stream after its own position', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  // (A stream without a position starts at the newest offset that reached the node.)
  await cable.heard(several(STREAMS))
  await broadcastEach(cable, 'a', 'b', 'a', 'b', 'c')
  const epoch = (await cable.position()).split(/[/-]/)[1]
  const after = (offset: number) => ({ epoch, offset })
  for (const [history, expected] of [
    [{ streams: { a: after(3), b: after(2), c: after(2) } }, [4, 5]],
    [{ streams: { a: after(1) } }, [3]],
    [{ streams: { a: after(1) }, since: 1 }, [2, 3, 4, 5]],
    [{ streams: {}, since: 1 }, [1, 2, 3, 4, 5]],
  ] as const) {
    const client = await cable.welcomed({ protocols: EXTENDED })
    await client.confirmed(several(STREAMS), { history })
    const frames = await client.until(({ type }) => type === 'confirm_history')
    assert.deepEqual(
      messagesOf(frames).map(({ offset }) => offset),
      expected,
    )
  }
})

test('a live subscription that asks for history again misses no message of any stream', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  await broadcastEach(cable, 'a', 'b', 'a', 'b')
  const epoch = (await cable.position()).split(/[/-]/)[1]
  const streams = (a: number, b: number) => ({ streams: { a: { epoch, offset: a }, b: { epoch, offset: b } } })
  const client = await cable.welcomed({ protocols: EXTENDED })
  await client.confirmed(several(['a', 'b']), { history: streams(3, 2) })
  await client.until(({ type }) => type === 'confirm_history')
  client.command('history', several(['a', 'b']), { history: streams(0, 0) })

  const offsets = messagesOf(await client.until(({ type }) => type === 'confirm_history')).map(({ offset }) => offset)
  assert.deepEqual(offsets, [1, 2, 3])
})

test('a gap in one of its streams is a gap of the subscription, and it replays no message of the others', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  await broadcastEach(cable, 'a', 'b')
  const epoch = (await cable.position()).split(/[/-]/)[1]
  const client = await cable.welcomed({ protocols: EXTENDED })
  const streams = { a: { epoch, offset: 0 }, b: { epoch: 'gone', offset: 0 } }
  await client.confirmed(several(STREAMS), { history: { streams } })
  await broadcastEach(cable, 'c')

  assert.deepEqual(told([await client.next(), await client.next()]), ['reject_history', 'to c'])
  assert.equal(await counted(cable, 'refusals_total{code="gap_restarted"}'), 1)
})

test('whispers and presence go to the one stream that the grant names for each', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  const [speaker, a, b] = [await cable.welcomed(), await cable.welcomed(), await cable.welcomed()]
  const identifier = several(STREAMS, { whisper: 'a', presence: 'b' })
  await speaker.confirmed(identifier)
  await a.confirmed(open('a'))
  await b.confirmed(open('b'))
  speaker.command('whisper', identifier, { data: 'psst' })
  speaker.command('join', identifier, { presence: { id: 'ada' } })

  assert.equal((await a.next()).message, 'psst')
  assert.deepEqual((await b.next()).message, { id: 'ada', type: 'join' })
  await speaker.next() // (its own join)
  await speaker.confirmed(open('b'))
  speaker.command('unsubscribe', identifier)
  // (Its own node hears of it later than another one, or sooner.)
  for (const client of [b, speaker]) assert.deepEqual((await client.next()).message, { id: 'ada', type: 'leave' })

  const muted = several(STREAMS)
  await speaker.confirmed(muted)
  for (const [command, more] of [
    ['whisper', { data: 'psst' }],
    ['join', { presence: { id: 'ada' } }],
  ] as const)
    speaker.command(command, muted, more)
  assert.deepEqual(await speaker.answers(), [])
  assert.equal(await counted(cable, 'refusals_total{code="whisper_not_allowed"}'), 1)
  assert.equal(await counted(cable, 'refusals_total{code="presence_not_allowed"}'), 1)
})

test('unsubscribing leaves all streams, also while the subscription waits for its replay', async t => {
  for (const seed of [undefined, 1]) {
    const cable = await startCable(t, FLAGS, { wrapResolve, ...(seed === undefined ? {} : delayed(seed)) })
    const client = await cable.welcomed()
    const position = await cable.position()
    client.command('subscribe', several(STREAMS, { position }))
    client.command('unsubscribe', several(STREAMS, { position }))
    await client.answers()
    await broadcastEach(cable, ...STREAMS)

    assert.deepEqual(await client.answers(), [])
    assert.equal((await cable.stats()).streams, 0)
  }
})

test('a subscription without streams is confirmed, has no gap, and ends', async t => {
  const cable = await startCable(t, FLAGS, { wrapResolve })
  const client = await cable.welcomed()
  await client.confirmed(several([], { position: await cable.position() }))
  client.command('history', several([], {}), { history: { since: 1 } })
  client.command('unsubscribe', several([], {}))

  assert.deepEqual(await client.answers(), [])
})

const delayed = (seed: number) => ({
  wrapBroker: (memory: SyncBroker) => createDelayingBroker(memory, { seed, maxMs: 50 }),
})

describe('on a slow broker', { concurrency: true }, () => {
  for (let seed = 1; seed <= 12; seed++) {
    test(`no subscription to several streams loses, repeats or reorders a message: seed ${seed}`, async t => {
      const random = new Random(seed)
      const cable = await startCable(t, FLAGS, { wrapResolve, ...delayed(seed) })
      const epoch = (await cable.position()).split(/[/-]/)[1]!
      /** By offset. */
      const published: string[] = ['']
      const joined: Promise<void>[] = []
      const end = Promise.withResolvers<void>()

      for (let n = 1; n <= 80; n++) {
        if (n % 8 === 0) joined.push(join(cable, { random, epoch, published, from: n - 1, end: end.promise }))
        const stream = n === 80 ? 'all' : random.pick([...STREAMS, 'other'])
        assert.equal((await cable.post({ stream, data: `"${n}"` })).status, 201)
        published.push(stream)
      }
      end.resolve()
      await Promise.all(joined)
    })
  }
})

interface Reader {
  random: Random
  epoch: string
  published: readonly string[]
  from: number
  end: Promise<void>
}

/** Subscribes at an offset; loses its connection at times, and asks for the messages after those that it got. */
async function join(cable: TestCable, { random, epoch, published, from, end }: Reader): Promise<void> {
  const streams = [...STREAMS.filter(() => random.chance(0.6)), 'all']
  const last = new Map(streams.map(stream => [stream, { epoch, offset: from }]))
  const got: number[] = []
  const take = ({ offset, stream_id, message }: Frame): boolean => {
    if (message === undefined) return false
    assert.equal(String(offset), message, 'test publications have no other offsets')
    got.push(offset!)
    last.set(stream_id!, { epoch, offset: offset! })
    return offset === 80
  }
  for (let isOver = false; !isOver; ) {
    const client = await cable.welcomed({ protocols: EXTENDED })
    const history = { streams: Object.fromEntries(last) }
    client.command('subscribe', several(streams), { history })
    const drops = random.chance(0.7)
    const stopAt = got.length + 1 + random.below(6)
    while (!isOver && !(drops && got.length >= stopAt)) isOver = take(await client.next())
    if (drops && !isOver) await client.drop()
  }
  await end
  const expected = [...published.keys()].filter(offset => offset > from && streams.includes(published[offset]!))
  assert.deepEqual(got, expected)
}
