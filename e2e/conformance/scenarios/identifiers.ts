/** Identifiers: which signed names and channels are confirmed, and which are rejected. */
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
  ['a name signed with an empty secret', signed(sign('a', '')), 'reject_subscription'],
  ['a name with a changed payload', signed(`${base64('"b"')}--${DIGEST}`), 'reject_subscription'],
  ['a name with its digest in capitals', signed(`${PAYLOAD}--${DIGEST.toUpperCase()}`), 'reject_subscription'],
  ['a name with a digest that is cut short', signed(NAME.slice(0, -1)), 'reject_subscription'],
  ['a name with a digest that is too long', signed(`${NAME}0`), 'reject_subscription'],
  ['a name without a digest', signed(`${PAYLOAD}--`), 'reject_subscription'],
  ['a name without dashes', signed(PAYLOAD), 'reject_subscription'],
  ['a name in three parts', signed(`${NAME}--${DIGEST}`), 'reject_subscription'],
  ['a name after a space', signed(` ${NAME}`), 'reject_subscription'],
  ['a signed list', signed(sign(['a'])), 'reject_subscription'],
  ['a signed object', signed(sign({ stream: 'a' })), 'reject_subscription'],
  ['a signed number', signed(sign(1)), 'reject_subscription'],
  ['signed null', signed(sign(null)), 'reject_subscription'],
  ['signed text that is not JSON', signed(signText(base64('chat'))), 'reject_subscription'],
  ['signed text that is not base64', signed(signText('%%%')), 'reject_subscription'],
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

const channels: Row[] = [
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
  ['text that is not JSON', 'chat', 'reject_subscription'],
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
        'Turbo verifies with its own secret',
        keyed('Turbo::StreamsChannel', 'signed_stream_name', 'of-turbo'),
        'confirm_subscription',
      ],
      [
        'CableReady verifies with its own secret',
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
  [PUBLIC, ['with --public a client still needs a name', on('$pubsub', {}), 'reject_subscription']],
  [
    PUBLIC,
    [
      'with --public the cable rejects a name that is not text',
      on('$pubsub', { stream_name: 1 }),
      'reject_subscription',
    ],
  ],
  [
    NO_SECRET,
    [
      'without a secret the cable verifies no name, not even one signed with an empty secret',
      signed(sign('a', '')),
      'reject_subscription',
      {
        anycable: 'verifies against an empty key, so that any client can forge any name',
        why: 'hole: a missing secret must not open everything',
        told: 'confirm_subscription',
      },
    ],
  ],
]

export const identifiers: Scenario[] = [
  ...names.map(row => scenario(OPEN, row)),
  ...channels.map(row => scenario(OPEN, row)),
  ...settings.map(([flags, row, query]) => scenario(flags, row, query)),
]

function scenario(flags: readonly string[], [about, identifier, told, differs]: Row, query = ''): Scenario {
  const is = (type: Told) => async (world: World) => {
    const client = await world.welcomed({ query })
    assert.deepEqual(await client.subscribe(identifier), { type, identifier })
    // The session goes on in both cases.
    assert.deepEqual(await client.answers(), [])
  }
  return {
    title: `${about}: ${told.replace('_subscription', '')}`,
    flags,
    run: is(told),
    ...(differs ? { differs: { ...differs, run: is(differs.told) } } : {}),
  }
}
