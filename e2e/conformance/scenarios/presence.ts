/** Presence: which members a stream has, as clients join, leave and vanish. */
import assert from 'node:assert/strict'
import type { Client, Frame } from '../../../testing/client.ts'
import { BOUNDED, NO_BROKER, OPEN, SMALL } from '../flags.ts'
import { pubsub } from '../signing.ts'
import type { Scenario } from '../world.ts'

const event = (identifier: string, message: object): Frame => ({ type: 'presence', identifier, message })
const joined = (identifier: string, id: string, info: unknown) => event(identifier, { type: 'join', id, info })
const left = (identifier: string, id: string) => event(identifier, { type: 'leave', id })

/** Sends the command without waiting. */
export const join = (client: Client, identifier: string, id: string, info: unknown = null): void =>
  client.command('join', identifier, { presence: { id, info } })

const members = async (client: Client, identifier: string): Promise<Frame> => {
  client.command('presence', identifier)
  return await client.next()
}

export const presence: Scenario[] = [
  {
    title: 'a join reaches all clients of the stream, the member too',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      join(ada, pubsub(stream), 'ada', { name: 'Ada' })
      for (const client of [ada, bob])
        assert.deepEqual(await client.next(), joined(pubsub(stream), 'ada', { name: 'Ada' }))
    },
  },
  {
    title: 'a client that asks gets the members of the stream',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      assert.deepEqual(await members(client, pubsub(stream)), event(pubsub(stream), { type: 'info', total: 0 }))
      join(client, pubsub(stream), 'ada', [1])
      await client.next()
      const records = [{ id: 'ada', info: [1] }]
      assert.deepEqual(
        await members(client, pubsub(stream)),
        event(pubsub(stream), { type: 'info', total: 1, records }),
      )
    },
  },
  {
    title: 'a client that joins as it subscribes gets the confirmation first',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      // (With this the cable listens to the stream. A broker that answers later would not send it the join.)
      await world.heard(pubsub(stream))
      const client = await world.welcomed()
      await client.confirmed(pubsub(stream), { presence: { id: 'ada', info: 'x' } })
      assert.deepEqual(await client.next(), joined(pubsub(stream), 'ada', 'x'))
    },
  },
  {
    title: 'a leave reaches all clients of the stream, without the info',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      join(ada, pubsub(stream), 'ada', 'x')
      await Promise.all([ada.next(), bob.next()])
      ada.command('leave', pubsub(stream))
      for (const client of [ada, bob]) assert.deepEqual(await client.next(), left(pubsub(stream), 'ada'))
    },
  },
  {
    title: 'a member that unsubscribes leaves at once',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      join(ada, pubsub(stream), 'ada')
      await bob.next()
      ada.command('unsubscribe', pubsub(stream))
      assert.deepEqual(await bob.next(), left(pubsub(stream), 'ada'))
    },
  },
  {
    title: 'a member that joins twice is listed once, with the newer info, and no client gets an event',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      join(client, pubsub(stream), 'ada', 1)
      await client.next()
      join(client, pubsub(stream), 'ada', 2)
      const { message } = await members(client, pubsub(stream))
      assert.deepEqual(message, { type: 'info', total: 1, records: [{ id: 'ada', info: 2 }] })
    },
  },
  {
    title: 'a person with two sessions joins once and leaves once',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const watching = await world.listening(pubsub(stream))
      const [one, two] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      for (const client of [one, two]) {
        join(client, pubsub(stream), 'ada')
        client.command('presence', pubsub(stream))
        await client.until(({ message }) => (message as Frame).type === 'info')
      }
      one.command('leave', pubsub(stream))
      assert.equal(((await watching.next()).message as Frame).type, 'join')
      assert.equal(((await members(watching, pubsub(stream))).message as Frame).total, 1)
      two.command('leave', pubsub(stream))
      assert.deepEqual(await watching.next(), left(pubsub(stream), 'ada'))
    },
  },
  {
    title: 'a session may not join a stream as two members, and gets no answer',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      join(client, pubsub(stream), 'ada')
      await client.next()
      join(client, pubsub(stream), 'bob')
      assert.equal(((await members(client, pubsub(stream))).message as Frame).total, 1)
    },
  },
  {
    title: 'a join without an id, and a leave without a join, are ignored',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      client.command('join', pubsub(stream))
      client.command('join', pubsub(stream), { presence: null })
      client.command('leave', pubsub(stream))
      assert.deepEqual(await client.answers(), [])
    },
  },
  {
    title: 'a client without a subscription learns no members',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.command('presence', pubsub('not mine'))
      for (const frame of await client.answers()) assert.equal((frame.message as Frame).type, 'error')
    },
  },
  {
    title: 'a lost member stays present for --presence_ttl, then leaves',
    flags: SMALL,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      join(ada, pubsub(stream), 'ada')
      await bob.next()
      await ada.drop()
      assert.equal(((await members(bob, pubsub(stream))).message as Frame).total, 1)
      assert.deepEqual(await bob.next(), left(pubsub(stream), 'ada'))
    },
  },
  {
    title: 'a connected member stays present, on the base protocol too',
    flags: SMALL,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(pubsub(stream)), await world.listening(pubsub(stream))]
      join(ada, pubsub(stream), 'ada')
      await ada.next()
      join(bob, pubsub(stream), 'bob')
      await ada.next()
      await bob.drop()
      // When bob is gone, ada would be gone as well.
      assert.deepEqual(await ada.next(), left(pubsub(stream), 'bob'))
      assert.equal(((await members(ada, pubsub(stream))).message as Frame).total, 1)
    },
    differs: {
      anycable: 'takes a connected base session for gone after --presence_ttl',
      why: 'bug: it is connected',
      async run(world) {
        const stream = world.stream()
        const ada = await world.listening(pubsub(stream))
        join(ada, pubsub(stream), 'ada')
        await ada.next()
        assert.deepEqual(await ada.next(), left(pubsub(stream), 'ada'))
      },
    },
  },
  {
    title: 'without a broker a request for presence gets an error',
    flags: NO_BROKER,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      join(client, pubsub(stream), 'ada')
      assert.deepEqual(await members(client, pubsub(stream)), event(pubsub(stream), { type: 'error', total: 0 }))
    },
  },
  {
    title: 'the history does not keep presence events',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      join(client, pubsub(stream), 'ada')
      await client.next()
      client.command('history', pubsub(stream), { history: { since: 1 } })
      assert.deepEqual(await client.history(), [{ type: 'confirm_history', identifier: pubsub(stream) }])
    },
  },
  {
    title: 'the cable ignores a join with more than 4 KiB of id and info',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      join(client, pubsub(stream), 'ada', 'x'.repeat(4096))
      join(client, pubsub(stream), 'x'.repeat(5000))
      assert.deepEqual(await client.answers(), [])
    },
    differs: {
      anycable: 'limits only the whole message',
      why: 'extension: --max_presence_info_size; the cable keeps each id and info, and sends it to all clients of the stream',
      async run(world) {
        const stream = world.stream()
        const client = await world.listening(pubsub(stream))
        join(client, pubsub(stream), 'ada', 'x'.repeat(4096))
        assert.deepEqual(await client.next(), joined(pubsub(stream), 'ada', 'x'.repeat(4096)))
      },
    },
  },
  {
    title: 'presence is bounded in bytes: the oldest member leaves, and its stream gets the event',
    flags: BOUNDED,
    inMemory: 'Redis has a bound for all of its data',
    alone: true,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      for (const id of ['0', '1', '2', '3']) {
        join(await world.listening(pubsub(stream)), pubsub(stream), id, 'x'.repeat(3000))
        assert.deepEqual(await client.next(), joined(pubsub(stream), id, 'x'.repeat(3000)))
      }
      assert.deepEqual(await client.next(), left(pubsub(stream), '0'))
      assert.equal(((await members(client, pubsub(stream))).message as Frame).total, 3)
    },
    differs: { anycable: 'has no limit', why: 'extension: --presence_max_size, or clients could fill the memory' },
  },
  {
    title: 'an answer leaves out members beyond its size, counts all, and says that some are missing',
    flags: BOUNDED,
    alone: true,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      const info = 'x'.repeat(3000)
      for (const id of ['ada', 'bob']) {
        join(await world.listening(pubsub(stream)), pubsub(stream), id, info)
        await client.next()
      }
      const message = { type: 'info', total: 2, records: [{ info, id: 'ada' }], truncated: true }
      assert.deepEqual(await members(client, pubsub(stream)), event(pubsub(stream), message))
    },
    differs: {
      anycable: 'sends all members, whatever their size',
      why: 'extension: --max_presence_answer_size; one command was answered with 80 MB',
    },
  },
]
