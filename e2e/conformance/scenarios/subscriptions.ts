/** Subscriptions: confirmed, rejected, silent; in order; under names that are echoed byte for byte. */
import assert from 'node:assert/strict'
import { CLOSED, KEYS, NO_SECRET, OPEN, PUBLIC } from '../flags.ts'
import { cableReady, jwt, open, pubsub, sign, signText, turbo } from '../signing.ts'
import type { Difference, Scenario, World } from '../world.ts'

type Told = 'confirm_subscription' | 'reject_subscription'
type Row = [title: string, identifier: string, told: Told, differs?: Omit<Difference, 'run'> & { told: Told }]

const on = (channel: string, params: object) => JSON.stringify({ channel, ...params })
const signed = (name: unknown) => on('$pubsub', { signed_stream_name: name })
const base64 = (text: string) => Buffer.from(text).toString('base64')
const NAME = sign('a')
const [PAYLOAD, DIGEST] = NAME.split('--') as [string, string]

const names: Row[] = [
  ['a signed name', signed(NAME), 'confirm_subscription'],
  ['a name with slashes, quotes, emoji and controls', signed(sign('é/"\\🦄\n\u0000\u2028')), 'confirm_subscription'],
  ['a very long name', signed(sign('x'.repeat(2000))), 'confirm_subscription'],
  ['a name as PHP writes it', signed(signText(base64('"chat\\/42"'))), 'confirm_subscription'],
  ['a name as Python writes it', signed(signText(base64('"\\u00e9"'))), 'confirm_subscription'],
  [
    'a name in URL-safe base64',
    signed(sign('a>?~b??', undefined, 'base64url')),
    'confirm_subscription',
    {
      anycable: 'rejects it',
      why: 'choice: the signature is good, and some helpers write it so',
      told: 'reject_subscription',
    },
  ],
  ['a name signed with another secret', signed(sign('a', 'another')), 'reject_subscription'],
  ['a name signed with nothing', signed(sign('a', '')), 'reject_subscription'],
  ['a name whose payload was changed', signed(`${base64('"b"')}--${DIGEST}`), 'reject_subscription'],
  ['a name whose digest is in capitals', signed(`${PAYLOAD}--${DIGEST.toUpperCase()}`), 'reject_subscription'],
  ['a name whose digest is cut short', signed(NAME.slice(0, -1)), 'reject_subscription'],
  ['a name whose digest is too long', signed(`${NAME}0`), 'reject_subscription'],
  ['a name without a digest', signed(`${PAYLOAD}--`), 'reject_subscription'],
  ['a name without dashes', signed(PAYLOAD), 'reject_subscription'],
  ['a name in three parts', signed(`${NAME}--${DIGEST}`), 'reject_subscription'],
  ['a name after a space', signed(` ${NAME}`), 'reject_subscription'],
  ['a signed list', signed(sign(['a'])), 'reject_subscription'],
  ['a signed object', signed(sign({ stream: 'a' })), 'reject_subscription'],
  ['a signed number', signed(sign(1)), 'reject_subscription'],
  ['signed null', signed(sign(null)), 'reject_subscription'],
  ['signed text that is no JSON', signed(signText(base64('chat'))), 'reject_subscription'],
  ['signed text that is no base64', signed(signText('%%%')), 'reject_subscription'],
  ['an empty signed name', signed(''), 'reject_subscription'],
  ['a signed name that is a number', signed(7), 'reject_subscription'],
  ['a signed name that is a list', signed([NAME]), 'reject_subscription'],
  ['no name', on('$pubsub', {}), 'reject_subscription'],
  ['a name that is not signed', open('a'), 'reject_subscription'],
  [
    'a bad signed name beside one that is not signed',
    on('$pubsub', { stream_name: 'a', signed_stream_name: 'x--y' }),
    'reject_subscription',
  ],
]

const identifiers: Row[] = [
  ['Turbo::StreamsChannel', turbo('a'), 'confirm_subscription'],
  [
    'Turbo::StreamsChannel with what clients add',
    turbo('a', { connected: '', 'data-x': [1, null] }),
    'confirm_subscription',
  ],
  [
    'Turbo::StreamsChannel and an unsigned name',
    on('Turbo::StreamsChannel', { stream_name: 'a' }),
    'reject_subscription',
  ],
  ['CableReady::Stream', cableReady('a'), 'confirm_subscription'],
  [
    'CableReady::Stream and the field of Turbo',
    on('CableReady::Stream', { signed_stream_name: NAME }),
    'reject_subscription',
  ],
  ['an unknown channel', on('ChatChannel', { id: 1 }), 'reject_subscription'],
  ['a channel of another case', on('turbo::streamschannel', { signed_stream_name: NAME }), 'reject_subscription'],
  ['a channel that every object has', on('__proto__', {}), 'reject_subscription'],
  ['a channel that is a number', '{"channel":1}', 'reject_subscription'],
  ['no channel', '{}', 'reject_subscription'],
  ['text that is no JSON', 'chat', 'reject_subscription'],
  ['JSON null', 'null', 'reject_subscription'],
  ['a JSON list', '[]', 'reject_subscription'],
  ['JSON text', '"$pubsub"', 'reject_subscription'],
  ['JSON that is deep', `${'['.repeat(2000)}${']'.repeat(2000)}`, 'reject_subscription'],
]

const keyed = (channel: string, field: string, secret: string) => on(channel, { [field]: sign('a', secret) })
const settings: [flags: readonly string[], Row, query?: string][] = [
  ...(
    [
      ['$pubsub takes --streams_secret', keyed('$pubsub', 'signed_stream_name', 'of-streams'), 'confirm_subscription'],
      [
        'Turbo takes its own secret',
        keyed('Turbo::StreamsChannel', 'signed_stream_name', 'of-turbo'),
        'confirm_subscription',
      ],
      [
        'CableReady takes its own secret',
        keyed('CableReady::Stream', 'identifier', 'of-cable-ready'),
        'confirm_subscription',
      ],
      [
        '$pubsub does not take the secret of Turbo',
        keyed('$pubsub', 'signed_stream_name', 'of-turbo'),
        'reject_subscription',
      ],
      [
        'Turbo does not take the secret of $pubsub',
        keyed('Turbo::StreamsChannel', 'signed_stream_name', 'of-streams'),
        'reject_subscription',
      ],
      ['Turbo does not take --secret when it has its own', turbo('a'), 'reject_subscription'],
    ] as Row[]
  ).map(row => [KEYS, row, `?token=${jwt({ ext: 'a' }, { secret: 'of-tokens' })}`] as [readonly string[], Row, string]),
  [
    CLOSED,
    ['Turbo is not served without --turbo_streams', turbo('a'), 'reject_subscription'],
    `?jid=${jwt({ ext: 'a' })}`,
  ],
  [CLOSED, ['$pubsub is served with a secret alone', pubsub('a'), 'confirm_subscription'], `?jid=${jwt({ ext: 'a' })}`],
  [PUBLIC, ['with --public names need no signature', open('é 🦄/42'), 'confirm_subscription']],
  [PUBLIC, ['with --public a name is needed all the same', on('$pubsub', {}), 'reject_subscription']],
  [
    PUBLIC,
    ['with --public a name that is no text is rejected', on('$pubsub', { stream_name: 1 }), 'reject_subscription'],
  ],
  [
    NO_SECRET,
    [
      'without a secret no name verifies, not even one signed with nothing',
      signed(sign('a', '')),
      'reject_subscription',
      {
        anycable: 'verifies against an empty key, so that anybody can forge any name',
        why: 'hole: a missing secret must not open everything',
        told: 'confirm_subscription',
      },
    ],
  ],
]

const ECHOED: [about: string, make: (stream: string) => string][] = [
  ['spaces and line ends', stream => `{ "signed_stream_name" : "${sign(stream)}",\n\t"channel":"$pubsub" }`],
  [
    'escapes that say what could be said plainly',
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
  ...names.map(row => scenario(OPEN, row)),
  ...identifiers.map(row => scenario(OPEN, row)),
  ...settings.map(([flags, row, query]) => scenario(flags, row, query)),
  ...ECHOED.map(
    ([about, make]): Scenario => ({
      title: `an identifier is echoed byte for byte: ${about}`,
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
    title: 'a subscribe without an identifier, or with an empty one, is rejected without one',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.send({ command: 'subscribe' }, { command: 'subscribe', identifier: '' })
      assert.deepEqual(await client.answers(), [{ type: 'reject_subscription' }, { type: 'reject_subscription' }])
    },
  },
  {
    title: 'a second subscribe is silent, and nothing is delivered twice',
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
    title: 'an unsubscribe is silent, of what is subscribed and of what is not',
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
    title: 'what was unsubscribed can be subscribed again',
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
    title: 'commands are obeyed in strict order: leaving and entering in one breath, as Turbo does',
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
    title: 'what was rejected is rejected again, and told so each time',
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
    title: 'a signed name outranks an unsigned one beside it',
    flags: PUBLIC,
    async run(world) {
      const client = await world.welcomed()
      const identifier = JSON.stringify({ channel: '$pubsub', stream_name: 'a', signed_stream_name: 'x--y' })
      assert.equal((await client.subscribe(identifier)).type, 'reject_subscription')
    },
  },
  {
    title: 'a hundred subscriptions in one breath are confirmed in order',
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
    title: 'subscriptions of more than two pages are rejected with a code, and an unsubscribe makes room',
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
      anycable: 'knows no limit',
      why: 'extension: --max_subscriptions; the code, which stock clients ignore, says that a page can try again',
    },
  },
  {
    title: 'identifiers of too many bytes in all are rejected with a code, and an unsubscribe makes room',
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
      anycable: 'knows no limit',
      why: 'extension: --max_identifiers_size, or a few hundred clients could fill the memory',
    },
  },
  {
    title: 'an identifier that is too long is rejected',
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
    title: 'actions are not performed, and are not answered',
    flags: OPEN,
    async run(world) {
      const client = await world.listening(pubsub('a'))
      client.command('message', pubsub('a'), { data: '{"action":"speak"}' })
      client.command('message', 'nonsense', { data: '{}' })
      assert.deepEqual(await client.answers(), [])
    },
  },
]

function scenario(flags: readonly string[], [about, identifier, told, differs]: Row, query = ''): Scenario {
  const is = (type: Told) => async (world: World) => {
    const client = await world.welcomed({ query })
    assert.deepEqual(await client.subscribe(identifier), { type, identifier })
    // Either way the session goes on.
    assert.deepEqual(await client.answers(), [])
  }
  return {
    title: `${about}: ${told.replace('_subscription', '')}`,
    flags,
    run: is(told),
    ...(differs ? { differs: { ...differs, run: is(differs.told) } } : {}),
  }
}
