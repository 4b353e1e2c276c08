/** History: the messages that a client missed, in order; and the gaps that the cable cannot fill. */
import assert from 'node:assert/strict'
import type { Client, Frame } from '../../../testing/client.ts'
import { NO_BROKER, OPEN, SMALL } from '../flags.ts'
import { now, pubsub, turbo } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

const confirmed = (identifier: string) => ({ type: 'confirm_history', identifier })
const rejected = (identifier: string) => ({ type: 'reject_history', identifier })
const messages = (frames: readonly Frame[]) => frames.filter(frame => 'message' in frame).map(({ message }) => message)

/** Broadcasts each, and returns the position of each. Each node has them then: a client that came sooner may get the last. */
async function told(world: World, stream: string, ...all: unknown[]): Promise<Frame[]> {
  const clients = await world.heard(pubsub(stream))
  for (const message of all) await world.broadcast(stream, message)
  const [frames] = await Promise.all(clients.map(client => Promise.all(all.map(() => client.next()))))
  for (const client of clients) await client.drop()
  return frames!
}

const at = ({ epoch, offset, stream_id }: Frame, by = 0) => ({
  streams: { [stream_id!]: { epoch, offset: offset! + by } },
})

const asked = async (client: Client, identifier: string, history: unknown): Promise<Frame[]> => {
  client.command('history', identifier, { history })
  return await client.history()
}

/** 200 steps of a progress bar, with other messages in between. Resolves once a client has had the last one. */
async function progress(world: World, stream: string): Promise<void> {
  const client = await world.listening(pubsub(stream))
  for (let percent = 1; percent <= 200; percent++) {
    if (percent === 150) await world.broadcast(stream, 'between')
    await world.broadcast(stream, percent, { key: 'export/7' })
  }
  await world.broadcast(stream, 'last')
  await client.until(({ message }) => message === 'last')
  await client.drop()
}

export const history: Scenario[] = [
  {
    title: 'a client gets the messages since a time, in order, then a confirmation',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const since = now() - 1
      await told(world, stream, 'a', 'b', 'c')
      const client = await world.listening(turbo(stream))
      const frames = await asked(client, turbo(stream), { since })
      assert.deepEqual(messages(frames), ['a', 'b', 'c'])
      assert.deepEqual(frames.at(-1), confirmed(turbo(stream)))
    },
  },
  {
    title: 'a client that asks since a time in the future gets a confirmation alone',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      await told(world, stream, 'a')
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), { since: now() + 60 }), [confirmed(pubsub(stream))])
    },
  },
  {
    title:
      'of the messages with one key a client gets the newest, at its place, also from an offset before all of them',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      await world.heard(pubsub(stream))
      const [first] = await told(world, stream, 'first')
      await progress(world, stream)
      const client = await world.listening(pubsub(stream))
      const frames = await asked(client, pubsub(stream), at(first!))
      assert.deepEqual(messages(frames), ['between', 200, 'last'])
      assert.deepEqual(frames.at(-1), confirmed(pubsub(stream)))
    },
    differs: {
      anycable: 'ignores the key, and has lost the first messages of so many',
      why: 'choice: a page that comes back needs the newest step of a progress bar alone',
      async run(world) {
        const stream = world.stream()
        const [first] = await told(world, stream, 'first')
        await progress(world, stream)
        const client = await world.listening(pubsub(stream))
        assert.deepEqual(await asked(client, pubsub(stream), at(first!)), [rejected(pubsub(stream))])
      },
    },
  },
  {
    title: 'the history of a stream without broadcasts is empty, and is confirmed',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), { since: 1 }), [confirmed(pubsub(stream))])
    },
  },
  {
    title: 'a client gets the messages after an offset with the same bytes as before',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [first, ...rest] = await told(world, stream, 'a', { b: 1 }, 'c')
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), at(first!)), [...rest, confirmed(pubsub(stream))])
    },
  },
  {
    title: 'a client that is up to date gets a confirmation alone',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const frames = await told(world, stream, 'a', 'b')
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), at(frames.at(-1)!)), [confirmed(pubsub(stream))])
    },
  },
  {
    title: 'the cable uses an offset rather than a time',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [, second] = await told(world, stream, 'a', 'b', 'c')
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(messages(await asked(client, pubsub(stream), { since: 1, ...at(second!) })), ['c'])
    },
  },
  ...(
    [
      ['of another epoch', (frame: Frame) => at({ ...frame, epoch: 'other' })],
      ['of the future', (frame: Frame) => at(frame, 1_000_000)],
      [
        'of another epoch, although a time is given as well',
        (frame: Frame) => ({ since: 1, ...at({ ...frame, epoch: 'x' }) }),
      ],
    ] as [string, (frame: Frame) => object][]
  ).map(
    ([about, place]): Scenario => ({
      title: `the cable rejects the history of an offset that it does not have: ${about}`,
      flags: OPEN,
      async run(world) {
        const stream = world.stream()
        const [first] = await told(world, stream, 'a', 'b')
        const client = await world.listening(pubsub(stream))
        assert.deepEqual(await asked(client, pubsub(stream), place(first!)), [rejected(pubsub(stream))])
        // The subscription is live all the same.
        await world.broadcast(stream, 'live')
        assert.equal((await client.next()).message, 'live')
      },
    }),
  ),
  ...(
    [
      ['nothing', undefined],
      ['null', null],
      ['an empty object', {}],
      ['a time of zero', { since: 0 }],
      ['null for streams', { streams: null }],
      ['null for a time', { since: null, streams: null }],
    ] as [string, unknown][]
  ).map(
    ([about, history]): Scenario => ({
      title: `the cable does not answer a history command that asks for nothing: ${about}`,
      flags: OPEN,
      async run(world) {
        const stream = world.stream()
        const client = await world.listening(pubsub(stream))
        client.command('history', pubsub(stream), { history })
        assert.deepEqual(await client.answers(), [])
      },
    }),
  ),
  {
    title: 'a history of no streams is confirmed',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      await told(world, stream, 'a')
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), { streams: {} }), [confirmed(pubsub(stream))])
    },
  },
  {
    title: 'a client gets no history of streams that it is not subscribed to',
    flags: OPEN,
    async run(world) {
      const [mine, theirs] = [world.stream(), world.stream('secret')]
      const [secret] = await told(world, theirs, 'x', 'secret')
      const client = await world.listening(pubsub(mine))
      assert.deepEqual(await asked(client, pubsub(mine), at(secret!)), [confirmed(pubsub(mine))])
    },
  },
  {
    title: 'a client may ask for history as it subscribes: confirmation, messages, confirmation',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [first] = await told(world, stream, 'a', 'b', 'c')
      const client = await world.welcomed()
      await client.confirmed(turbo(stream), { history: at(first!) })
      const frames = await client.history()
      assert.deepEqual(messages(frames), ['b', 'c'])
      assert.deepEqual(frames.at(-1), confirmed(turbo(stream)))
    },
  },
  {
    title: 'the first subscribe of an extended client, with a time and no streams, is answered',
    flags: OPEN,
    async run(world) {
      const since = now()
      const stream = world.stream()
      await told(world, stream, 'a')
      const client = await world.welcomed()
      await client.confirmed(turbo(stream), { history: { since, streams: {} } })
      const frames = await client.history()
      assert.deepEqual([messages(frames), frames.at(-1)], [['a'], confirmed(turbo(stream))])
    },
  },
  {
    title: 'the cable remembers what was broadcast while no client listened',
    flags: OPEN,
    async run(world) {
      const since = now()
      const stream = world.stream()
      await world.broadcast(stream, 'early')
      await world.fed()
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(messages(await asked(client, pubsub(stream), { since })), ['early'])
    },
  },
  {
    title: 'offsets of a stream rise',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const offsets = (await told(world, stream, 1, 2, 3)).map(({ offset }) => offset!)
      assert.ok(offsets[0]! < offsets[1]! && offsets[1]! < offsets[2]!)
    },
  },
  {
    title: 'offsets rise over all streams, so an idle stream cannot start anew',
    flags: OPEN,
    async run(world) {
      const [one] = await told(world, world.stream(), 1)
      const [two] = await told(world, world.stream(), 1)
      assert.ok(two!.offset! > one!.offset!)
    },
    differs: {
      anycable: 'counts each stream from 1',
      why: 'bug: a stream that was idle for long counts from 1 again in the same epoch',
      async run(world) {
        const [one] = await told(world, world.stream(), 1)
        assert.equal(one!.offset, 1)
      },
    },
  },
  {
    title: 'the history does not keep a transient message',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      await world.broadcast(stream, 'gone', { transient: true })
      await world.broadcast(stream, 'kept')
      await world.fed()
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(messages(await asked(client, pubsub(stream), { since: 1 })), ['kept'])
    },
  },
  {
    title: 'the replay of a broadcast leaves out the client that the broadcast left out',
    flags: OPEN,
    async run(world) {
      assert.deepEqual(await excluded(world), ['for all'])
    },
    differs: {
      anycable: "replays a client's own change to it",
      why: 'bug: the page makes its own change twice',
      async run(world) {
        assert.deepEqual(await excluded(world), ['not for you', 'for all'])
      },
    },
  },
  {
    title: 'the replay of a broadcast has its type',
    flags: OPEN,
    async run(world) {
      assert.equal(await replayedType(world), 'custom')
    },
    differs: {
      anycable: 'replays a broadcast without its type',
      why: 'bug: the page takes it for another kind of message',
      async run(world) {
        assert.equal(await replayedType(world), undefined)
      },
    },
  },
  {
    title: 'the history keeps --history_limit messages, and the cable rejects an earlier offset',
    flags: SMALL,
    async run(world) {
      const stream = world.stream()
      const [first] = await told(world, stream, 1, 2, 3, 4, 5)
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await asked(client, pubsub(stream), at(first!)), [rejected(pubsub(stream))])
      assert.deepEqual(messages(await asked(client, pubsub(stream), { since: 1 })), [3, 4, 5])
    },
  },
  {
    title: 'the cable serves the offset right before the oldest message, as nothing is missing',
    flags: SMALL,
    async run(world) {
      const stream = world.stream()
      const [first] = await told(world, stream, 1, 2, 3, 4)
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(messages(await asked(client, pubsub(stream), at(first!))), [2, 3, 4])
    },
    differs: {
      anycable: 'rejects it',
      why: 'bug: nothing is missing',
      async run(world) {
        const stream = world.stream()
        const [first] = await told(world, stream, 1, 2, 3, 4)
        const client = await world.listening(pubsub(stream))
        assert.deepEqual(await asked(client, pubsub(stream), at(first!)), [rejected(pubsub(stream))])
      },
    },
  },
  {
    title: 'without a history, the cable rejects a request for history',
    flags: NO_BROKER,
    async run(world) {
      const stream = world.stream()
      const client = await world.welcomed()
      await client.confirmed(pubsub(stream), { history: { since: 1 } })
      assert.deepEqual(await client.history(), [rejected(pubsub(stream))])
      assert.deepEqual(await asked(client, pubsub(stream), { streams: {} }), [confirmed(pubsub(stream))])
      assert.deepEqual(await asked(client, pubsub(stream), { streams: { [stream]: { epoch: 'x', offset: 1 } } }), [
        rejected(pubsub(stream)),
      ])
    },
  },
  {
    title: 'a position in the identifier starts the subscription there',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [first] = await told(world, stream, 'a', 'b')
      const identifier = turbo(stream, { position: `${first!.offset}/${first!.epoch}` })
      const client = await world.welcomed()
      await client.confirmed(identifier)
      assert.deepEqual(messages((await world.everything(client, stream)) as Frame[]), ['b'])
    },
    differs: {
      anycable: 'ignores positions',
      why: 'extension: a page names its position, and catches up',
      async run(world) {
        const client = await world.listening(turbo(world.stream(), { position: '1/abcd' }))
        assert.deepEqual(await client.answers(), [])
      },
    },
  },
  {
    title: 'a position that the cable cannot serve is a gap: the page gets a refresh',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.welcomed()
      const identifier = turbo(stream, { position: '1/other' })
      const confirmed = { type: 'confirm_subscription', identifier, refresh: 'coming' }
      assert.deepEqual(await client.subscribe(identifier), confirmed)
      assert.match(String((await client.next()).message), /^<turbo-stream action="refresh"/)
    },
    differs: { anycable: 'ignores positions', why: 'extension: a page is never silently stale' },
  },
  {
    title: 'a backend with the key reads a position before it renders a page',
    flags: OPEN,
    async run(world) {
      const ask = (init?: RequestInit) => fetch(`${world.server.broadcast}/position?stream=any`, init)
      assert.equal((await ask()).status, 401)
      const answer = await ask({ headers: { authorization: `Bearer ${world.broadcastKey}` } })
      assert.match(((await answer.json()) as { position: string }).position, /^\d+\/[\w-]+$/)
    },
    differs: {
      anycable: 'answers 404, which the helpers take for "unknown"',
      why: 'extension: positions',
      async run(world) {
        assert.equal((await fetch(`${world.server.broadcast}/position?stream=any`)).status, 404)
      },
    },
  },
]

async function excluded(world: World): Promise<unknown[]> {
  const since = now()
  const stream = world.stream()
  const client = await world.listening(turbo(stream))
  await world.broadcast(stream, 'not for you', { exclude_socket: client.sid })
  await world.broadcast(stream, 'for all')
  await client.next()
  client.command('unsubscribe', turbo(stream))
  await client.confirmed(turbo(stream), { history: { since } })
  return messages(await client.history())
}

/** Returns the type of a replayed message that a backend broadcast with a type. */
async function replayedType(world: World): Promise<string | undefined> {
  const stream = world.stream()
  await world.broadcast(stream, 'x', { broadcast_type: 'custom' })
  await world.fed()
  const client = await world.listening(pubsub(stream))
  const [{ type }] = (await asked(client, pubsub(stream), { since: 1 })) as [Frame]
  return type
}
