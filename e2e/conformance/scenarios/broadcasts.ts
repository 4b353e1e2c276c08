/** Broadcasts: which bytes a client gets, which clients get them, and in what order. */
import assert from 'node:assert/strict'
import { NO_BROKER, OPEN, PUBLIC } from '../flags.ts'
import { jwt, open, pubsub, turbo } from '../signing.ts'
import type { Difference, Scenario, World } from '../world.ts'

type Shape = [about: string, data: string, text: string, differs?: Omit<Difference, 'run'> & { text: string }]

const RECODED = {
  anycable: 'decodes and encodes again',
  why: 'choice: clients get the bytes that the backend sent',
} as const

const shapes: Shape[] = [
  ['an object', '{"a":1,"b":[true,null]}', '{"a":1,"b":[true,null]}'],
  ['JSON text', '"hello"', '"hello"'],
  ['JSON text that holds JSON stays text', '"{\\"a\\":1}"', '"{\\"a\\":1}"'],
  ['a number', '42', '42'],
  ['a fraction', '1.5', '1.5'],
  ['true', 'true', 'true'],
  ['a list', '[1,[2]]', '[1,[2]]'],
  ['null becomes the text "null"', 'null', '"null"'],
  ['empty data becomes empty text', '', '""'],
  ['empty JSON text', '""', '""'],
  ['text that is not JSON is sent as text', 'hello "world"', '"hello \\"world\\""'],
  ['JSON that is cut short is sent as text', '{"a":', '"{\\"a\\":"'],
  ['text with spaces around JSON', ' "x" ', '"x"'],
  ['markup', '"<b>&amp;</b>"', '"<b>&amp;</b>"'],
  ['accents, emoji, line separators', '"é e\u0301 🦄 \u2028"', '"é e\u0301 🦄 \u2028"'],
  ['controls', '"\\u0000\\n\\t\\u007f"', '"\\u0000\\n\\t\\u007f"'],
  [
    'a number that no double can hold',
    '12345678901234567890',
    '12345678901234567890',
    { ...RECODED, text: '12345678901234567000' },
  ],
  ['keys that are not sorted', '{"b":1,"a":2}', '{"b":1,"a":2}', { ...RECODED, text: '{"a":2,"b":1}' }],
]

/** The message as it was written, and as JSON: escapes may differ, the value may not. */
const written = (frame: string): string => {
  const [, message] = /"message":(.*),"stream_id"/s.exec(frame) ?? []
  return message!.trim()
}

const same = (text: string, wanted: string): boolean =>
  text === wanted ||
  (!/\d{17}|"b":1,"a"|"a":2,"b"/.test(wanted) &&
    JSON.stringify(JSON.parse(text)) === JSON.stringify(JSON.parse(wanted)))

export const broadcasts: Scenario[] = [
  ...shapes.map(([about, data, text, differs]): Scenario => {
    const becomes = (wanted: string) => async (world: World) => {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      assert.equal((await world.post({ stream, data })).status, 201)
      const message = written(await client.text())
      assert.ok(same(message, wanted), message)
    }
    return {
      title: `a client gets the message as its data says: ${about}`,
      flags: OPEN,
      run: becomes(text),
      ...(differs ? { differs: { ...differs, run: becomes(differs.text) } } : {}),
    }
  }),
  {
    title: 'the cable publishes a broadcast once, if a backend sends it again with its id',
    flags: OPEN,
    run: sentAgain(['one', 'two']),
    differs: {
      anycable: 'ignores ids, and publishes it again',
      why: 'extension: a backend that lost the answer may try again',
      run: sentAgain(['one', 'one again', 'two']),
    },
  },
  {
    title: 'a broadcast carries its identifier, its message and its position in the history',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      await world.broadcast(stream, '<b>x</b>')
      const { epoch, offset, ...frame } = await client.next()
      assert.deepEqual(frame, { identifier: turbo(stream), message: '<b>x</b>', stream_id: stream })
      assert.match(epoch!, /^[\w-]{4,}$/)
      assert.ok(Number.isSafeInteger(offset) && offset! >= 1)
    },
  },
  {
    title: 'the keys of a broadcast are in the order of the reference',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      await world.broadcast(stream, 1)
      assert.deepEqual(Object.keys(JSON.parse(await client.text())), [
        'identifier',
        'message',
        'stream_id',
        'epoch',
        'offset',
      ])
    },
  },
  {
    title: 'without a history a broadcast carries only its identifier and its message',
    flags: NO_BROKER,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      await world.broadcast(stream, { a: 1 })
      assert.equal(await client.text(), `{"identifier":${JSON.stringify(turbo(stream))},"message":{"a":1}}`)
    },
  },
  {
    title: 'a broadcast reaches the clients of its stream and no others',
    flags: OPEN,
    async run(world) {
      const [one, two] = [world.stream(), world.stream()]
      const [ada, bob] = [await world.listening(turbo(one)), await world.listening(turbo(two))]
      await world.broadcast(one, 'for ada')
      assert.equal((await ada.next()).message, 'for ada')
      assert.deepEqual(await world.everything(bob, two), [])
    },
  },
  {
    title: 'the cable compares stream names byte for byte',
    flags: OPEN,
    async run(world) {
      const stream = world.stream('Chat')
      const client = await world.listening(turbo(stream))
      for (const other of [stream.toLowerCase(), `${stream} `, `${stream}/`, stream.normalize('NFD').slice(0, -1)])
        await world.broadcast(other, 'not for you')
      assert.deepEqual(await world.everything(client, stream), [])
    },
  },
  {
    title: 'all channels share one set of stream names',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream), pubsub(stream))
      await world.broadcast(stream, 'x')
      const frames = [await client.next(), await client.next()]
      assert.deepEqual(frames.map(({ identifier }) => identifier).sort(), [turbo(stream), pubsub(stream)].sort())
    },
  },
  {
    title: 'two hundred broadcasts arrive once each, in order, at every client',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const clients = [await world.listening(turbo(stream)), await world.listening(pubsub(stream))]
      for (let i = 0; i < 20; i++)
        await world.post(Array.from({ length: 10 }, (_, j) => ({ stream, data: String(i * 10 + j) })))
      for (const client of clients) {
        const frames = (await world.everything(client, stream)) as { message: unknown }[]
        assert.deepEqual(
          frames.map(({ message }) => message).filter(message => message !== 'that was all'),
          Array.from({ length: 200 }, (_, i) => i),
        )
      }
    },
  },
  {
    title: 'messages of every length that changes a frame arrive whole',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      for (const length of [0, 1, 100, 125, 126, 1000, 1024, 4096, 32_767, 65_000, 65_535, 65_536, 300_000]) {
        const html = 'é'.repeat(length)
        await world.broadcast(stream, html)
        assert.equal((await client.next()).message, html)
      }
    },
  },
  {
    title: 'a batch goes out in order, over several streams',
    flags: OPEN,
    async run(world) {
      const [one, two] = [world.stream(), world.stream()]
      const client = await world.listening(pubsub(one), pubsub(two))
      const batch = [1, 2, 3, 4].map(i => ({ stream: i % 2 ? one : two, data: String(i) }))
      assert.equal((await world.post(batch)).status, 201)
      const frames = await Promise.all([1, 2, 3, 4].map(() => client.next()))
      const of = (stream: string) => frames.filter(frame => frame.stream_id === stream).map(({ message }) => message)
      assert.deepEqual(
        [of(one), of(two)],
        [
          [1, 3],
          [2, 4],
        ],
      )
    },
  },
  {
    title: 'a backend can leave out one session, on all its subscriptions, and no other',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [ada, bob] = [await world.listening(turbo(stream), pubsub(stream)), await world.listening(turbo(stream))]
      await world.broadcast(stream, 'not for ada', { exclude_socket: ada.sid })
      await world.broadcast(stream, 'for all')
      assert.deepEqual([(await bob.next()).message, (await bob.next()).message], ['not for ada', 'for all'])
      assert.deepEqual([(await ada.next()).message, (await ada.next()).message], ['for all', 'for all'])
    },
  },
  {
    title: 'an empty or unknown sid leaves out no client',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(turbo(stream))
      await world.broadcast(stream, 1, { exclude_socket: '' })
      await world.broadcast(stream, 2, { exclude_socket: 'nobody' })
      assert.deepEqual([(await client.next()).message, (await client.next()).message], [1, 2])
    },
  },
  {
    title: 'a broadcast type precedes the identifier',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      await world.broadcast(stream, 'x', { broadcast_type: 'custom' })
      assert.ok((await client.text()).startsWith('{"type":"custom","identifier":'))
    },
  },
  {
    title: 'a transient broadcast reaches clients and does not enter the history',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      await world.broadcast(stream, 'x', { transient: true })
      assert.deepEqual(await client.next(), { identifier: pubsub(stream), message: 'x' })
    },
  },
  {
    title: 'the cable ignores unknown fields in meta and beside it',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      await world.post({ stream, data: '1', meta: { colour: 'red', nested: {} }, more: [1] })
      await world.post({ stream, data: '2', meta: {} })
      assert.deepEqual([(await client.next()).message, (await client.next()).message], [1, 2])
    },
  },
  {
    title: 'the cable accepts broadcasts to any name, with listeners or without',
    flags: OPEN,
    async run(world) {
      for (const stream of ['nobody/here', ':', '/', ' ', '🦄', '__proto__', 'x'.repeat(10_000)])
        assert.equal((await world.post({ stream, data: '1' })).status, 201)
    },
  },
  {
    title: 'a remote disconnect ends all sessions of the identity and no others, with a reason and a legal close',
    flags: OPEN,
    async run(world) {
      const { all, other, identifier } = await people(world)
      await world.post({ command: 'disconnect', payload: { identifier, reconnect: true } })
      for (const client of all) {
        assert.equal(await client.text(), '{"type":"disconnect","reason":"remote","reconnect":true}')
        assert.deepEqual(await client.closed, { code: 1000, text: 'Closed remotely' })
      }
      assert.deepEqual(await other.answers(), [])
    },
    differs: {
      anycable: 'ends only one of them',
      why: 'bug: Action Cable ends all of them',
      async run(world) {
        const { all, identifier } = await people(world)
        await world.post({ command: 'disconnect', payload: { identifier, reconnect: true } })
        const first = await Promise.race(all.map(client => client.next().then(() => client)))
        assert.deepEqual(await first.closed, { code: 1000, text: 'Closed remotely' })
        // One at a time: the second session ends after the second command.
        await world.post({ command: 'disconnect', payload: { identifier, reconnect: true } })
        await Promise.all(all.map(client => client.closed))
      },
    },
  },
  {
    title: 'a remote disconnect asks the client to reconnect only if the backend wants it',
    flags: OPEN,
    async run(world) {
      const identifier = JSON.stringify({ user: world.stream() })
      const client = await world.welcomed({ query: `?jid=${jwt({ ext: identifier })}` })
      await world.post({ command: 'disconnect', payload: { identifier } })
      assert.deepEqual(await client.next(), { type: 'disconnect', reason: 'remote', reconnect: false })
    },
  },
  {
    title: 'a backend disconnects an anonymous client by its sid',
    flags: OPEN,
    async run(world) {
      const [one, other] = [await world.welcomed(), await world.welcomed()]
      await world.post({ command: 'disconnect', payload: { identifier: JSON.stringify({ sid: one.sid }) } })
      assert.equal((await one.next()).reason, 'remote')
      assert.deepEqual(await other.answers(), [])
    },
  },
  {
    title: 'a client gets every broadcast that came before its disconnect',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      await world.broadcast(stream, 'last words')
      await client.until(({ message }) => message === 'last words')
      await world.post({ command: 'disconnect', payload: { identifier: JSON.stringify({ sid: client.sid }) } })
      await world.broadcast(stream, 'too late')
      assert.deepEqual((await client.next()).reason, 'remote')
      await assert.rejects(client.next(), /closed with/)
    },
  },
  {
    title: 'with --public a name needs no signature and a broadcast no key',
    flags: PUBLIC,
    async run(world) {
      const stream = world.stream('é')
      const client = await world.listening(open(stream))
      assert.equal((await world.post({ stream, data: '"x"' }, { headers: {} })).status, 201)
      assert.equal((await client.next()).message, 'x')
    },
  },
]

async function people(world: World) {
  const identifier = JSON.stringify({ user: world.stream() })
  const query = `?jid=${jwt({ ext: identifier })}`
  const all = [await world.welcomed({ query }), await world.welcomed({ query })]
  const other = await world.welcomed({ query: `?jid=${jwt({ ext: `${identifier} ` })}` })
  return { all, other, identifier }
}

/** The messages that a client gets of two broadcasts with one id, and one with another. */
function sentAgain(messages: readonly string[]): (world: World) => Promise<void> {
  return async world => {
    const stream = world.stream()
    const client = await world.listening(pubsub(stream))
    await world.broadcast(stream, 'one', { id: `${stream}/1` })
    await world.broadcast(stream, 'one again', { id: `${stream}/1` })
    await world.broadcast(stream, 'two', { id: `${stream}/2` })
    const frames = (await world.everything(client, stream)) as { message: unknown }[]
    assert.deepEqual(
      frames.map(({ message }) => message),
      messages,
    )
  }
}
