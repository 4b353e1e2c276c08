/** Subscriptions: silent, in the order of the commands, bounded, and with identifiers that come back byte for byte. */
import assert from 'node:assert/strict'
import { OPEN, PUBLIC } from '../flags.ts'
import { pubsub, sign, turbo } from '../signing.ts'
import type { Scenario } from '../world.ts'

const ECHOED: [about: string, make: (stream: string) => string][] = [
  ['spaces and line ends', stream => `{ "signed_stream_name" : "${sign(stream)}",\n\t"channel":"$pubsub" }`],
  [
    'escapes that are not needed',
    stream => `{"channel":"\\u0024pubsub","signed_stream_name":"${sign(stream)}","é":"\\u00e9"}`,
  ],
  ['markup', stream => pubsub(stream, { x: '<script>&</script>' })],
  ['line separators', stream => pubsub(stream, { x: '\u2028\u2029' })],
  ['quotes, backslashes and controls', stream => pubsub(stream, { x: '"\\\u0001\u007f' })],
  ['emoji of many parts', stream => pubsub(stream, { '👩‍👩‍👧': '🦄' })],
  ['numbers that no double can hold', stream => pubsub(stream).replace('}', ',"id":12345678901234567890.10}')],
  ['a key twice', stream => pubsub(stream).replace('{', '{"channel":"x",')],
]

export const subscriptions: Scenario[] = [
  ...ECHOED.map(
    ([about, make]): Scenario => ({
      title: `the cable echoes an identifier byte for byte: ${about}`,
      flags: OPEN,
      async run(world) {
        const stream = world.stream()
        const identifier = make(stream)
        const client = await world.listening(identifier)
        await world.broadcast(stream, 'x')
        assert.equal((await client.next()).identifier, identifier)
      },
    }),
  ),
  {
    title: 'confirmations and rejections have these bytes',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.command('subscribe', pubsub('a'))
      assert.equal(await client.text(), `{"type":"confirm_subscription","identifier":${JSON.stringify(pubsub('a'))}}`)
      client.command('subscribe', 'nonsense')
      assert.equal(await client.text(), '{"type":"reject_subscription","identifier":"nonsense"}')
    },
  },
  {
    title: 'the cable rejects a subscribe without an identifier, or with an empty one, and names none',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.send({ command: 'subscribe' }, { command: 'subscribe', identifier: '' })
      assert.deepEqual(await client.answers(), [{ type: 'reject_subscription' }, { type: 'reject_subscription' }])
    },
  },
  {
    title: 'a second subscribe has no answer, and no message arrives twice',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      client.command('subscribe', pubsub(stream))
      assert.deepEqual(await client.answers(), [])
      await world.broadcast(stream, 'once')
      assert.equal((await world.everything(client, stream)).length, 1)
    },
  },
  {
    title: 'an unsubscribe has no answer, with a subscription and without',
    flags: OPEN,
    async run(world) {
      const client = await world.listening(pubsub('a'))
      for (const identifier of [pubsub('a'), pubsub('a'), 'nonsense', '']) client.command('unsubscribe', identifier)
      assert.deepEqual(await client.answers(), [])
    },
  },
  {
    title: 'after an unsubscribe nothing arrives, and others do not notice',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const [leaving, staying] = [
        await world.listening(pubsub(stream), turbo(stream)),
        await world.listening(pubsub(stream)),
      ]
      leaving.command('unsubscribe', pubsub(stream))
      await leaving.answers()
      await world.broadcast(stream, 'x')
      assert.equal((await staying.next()).message, 'x')
      const frames = await leaving.until(({ message }) => message === 'x')
      assert.deepEqual(
        frames.map(({ identifier }) => identifier),
        [turbo(stream)],
      )
      assert.deepEqual(await leaving.answers(), [])
    },
  },
  {
    title: 'a client can subscribe again after an unsubscribe',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const client = await world.listening(pubsub(stream))
      client.command('unsubscribe', pubsub(stream))
      await client.confirmed(pubsub(stream))
      await world.broadcast(stream, 'x')
      assert.equal((await world.everything(client, stream)).length, 1)
    },
  },
  {
    title: 'the cable obeys commands in strict order: a client leaves and enters at once, as Turbo does',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      const [a, b] = [pubsub(world.stream()), pubsub(world.stream())]
      for (const command of ['subscribe', 'unsubscribe', 'subscribe', 'subscribe', 'unsubscribe']) {
        client.command(command, a)
        if (command === 'subscribe') client.command(command, b)
      }
      const frames = await client.answers()
      assert.deepEqual(
        frames.map(({ identifier }) => identifier),
        [a, b, a],
      )
    },
  },
  {
    title: 'the cable rejects an identifier again each time a client tries it',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      for (let i = 0; i < 3; i++) assert.equal((await client.subscribe('nonsense')).type, 'reject_subscription')
    },
  },
  {
    title: 'identifiers are opaque: the same keys in another order are another subscription',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const name = sign(stream)
      const [one, two] = [
        `{"channel":"$pubsub","signed_stream_name":"${name}"}`,
        `{"signed_stream_name":"${name}","channel":"$pubsub"}`,
      ]
      const client = await world.listening(one, two)
      await world.broadcast(stream, 'x')
      const frames = [await client.next(), await client.next()]
      assert.deepEqual(frames.map(({ identifier }) => identifier).sort(), [one, two].sort())
    },
  },
  {
    title: 'a signed name counts more than an unsigned one beside it',
    flags: PUBLIC,
    async run(world) {
      const client = await world.welcomed()
      const identifier = JSON.stringify({ channel: '$pubsub', stream_name: 'a', signed_stream_name: 'x--y' })
      assert.equal((await client.subscribe(identifier)).type, 'reject_subscription')
    },
  },
  {
    title: 'the cable confirms a hundred subscriptions at once in order',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      const identifiers = Array.from({ length: 100 }, () => turbo(world.stream()))
      for (const identifier of identifiers) client.command('subscribe', identifier)
      assert.deepEqual(
        (await client.answers()).map(({ identifier }) => identifier),
        identifiers,
      )
    },
  },
  {
    title: 'the cable rejects the subscriptions of more than two pages with a code, and an unsubscribe makes room',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      for (let i = 0; i < 300; i++) client.command('subscribe', pubsub(`many/${i}`))
      await client.answers()
      const identifier = pubsub('one more')
      const rejection = { type: 'reject_subscription', identifier, code: 'subscriptions_limit' }
      assert.deepEqual(await client.subscribe(identifier), rejection)
      client.command('unsubscribe', pubsub('many/7'))
      await client.confirmed(identifier)
    },
    differs: {
      anycable: 'has no limit',
      why: 'extension: --max_subscriptions; the code, which stock clients ignore, says that a page can try again',
    },
  },
  {
    title: 'the cable rejects too many bytes of identifiers with a code, and an unsubscribe makes room',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      const identifiers = Array.from({ length: 39 }, (_, i) => pubsub(`long/${i}`, { x: 'x'.repeat(3900) }))
      for (const identifier of identifiers) client.command('subscribe', identifier)
      const rejected = identifiers.at(-1)!
      const rejection = { type: 'reject_subscription', identifier: rejected, code: 'identifiers_limit' }
      assert.deepEqual((await client.answers()).at(-1), rejection)
      client.command('unsubscribe', identifiers[0]!)
      await client.confirmed(rejected)
    },
    differs: {
      anycable: 'has no limit',
      why: 'extension: --max_identifiers_size, or a few hundred clients could fill the memory',
    },
  },
  {
    title: 'the cable rejects an identifier that is too long',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      const long = pubsub('a', { x: 'x'.repeat(5000) })
      assert.deepEqual(await client.subscribe(long), { type: 'reject_subscription', identifier: long })
    },
    differs: {
      anycable: 'takes it',
      why: 'extension: --max_identifier_length',
      async run(world) {
        await world.listening(pubsub('a', { x: 'x'.repeat(5000) }))
      },
    },
  },
  {
    title: 'the cable neither performs nor answers an action',
    flags: OPEN,
    async run(world) {
      const client = await world.listening(pubsub('a'))
      client.command('message', pubsub('a'), { data: '{"action":"speak"}' })
      client.command('message', 'nonsense', { data: '{}' })
      assert.deepEqual(await client.answers(), [])
    },
  },
]
