/** Tokens: where they may be, what they may say, and how a client without one is refused. */
import assert from 'node:assert/strict'
import { BASE, type ConnectOptions } from '../../../testing/client.ts'
import { CLOSED, ENFORCED, GUIDE, KEYS, NO_SECRET, OPEN, PUBLIC } from '../flags.ts'
import { jwt, now } from '../signing.ts'
import type { Difference, Scenario, World } from '../world.ts'

type Told = 'welcome' | 'unauthorized' | 'token_expired' | '1011 Auth Error'
type Row = [
  title: string,
  connect: () => ConnectOptions,
  told: Told,
  differs?: Omit<Difference, 'run'> & { told: Told },
]

const GOOD = jwt({ ext: '{"user_id":42}' })
const BAD = 'not.a.token'
const OLD = jwt({ ext: 'ada', exp: 1_000_000_000 })
const query = (token: string): ConnectOptions => ({ query: `?jid=${token}` })
const header = (token: string): ConnectOptions => ({ headers: { 'x-jid': token } })
// The ws client fails without an answer to its subprotocols, and the cable answers none to a token alone.
const bare = (offered: string): ConnectOptions => ({ protocols: [], headers: { 'sec-websocket-protocol': offered } })
const subprotocol = (token: string): ConnectOptions => ({ protocols: [BASE, `anycable-token.${token}`] })
const claims = (claims: object, header: object = { alg: 'HS256' }) => query(jwt({ ext: 'ada', ...claims }, { header }))

const EXT_BUG = {
  anycable: 'closes with 1011, without a message',
  why: 'bug: the client cannot know that its token is the reason',
  told: '1011 Auth Error',
} as const

const places: Row[] = [
  ['in the query', () => query(GOOD), 'welcome'],
  ['in a header', () => header(GOOD), 'welcome'],
  ['in a header, its name in capitals', () => ({ headers: { 'X-JID': GOOD } }), 'welcome'],
  ['in a subprotocol', () => subprotocol(GOOD), 'welcome'],
  ['in a subprotocol alone', () => bare(`anycable-token.${GOOD}`), 'welcome'],
  ['in a subprotocol, before the protocol, with spaces', () => bare(`anycable-token.${GOOD} , x`), 'welcome'],
  ['nowhere', () => ({}), 'unauthorized'],
  ['in the query, but empty', () => query(''), 'unauthorized'],
  ['in a subprotocol, but empty', () => bare('anycable-token.'), 'unauthorized'],
  ['in a header that wins over a bad query', () => ({ ...header(GOOD), ...query(BAD) }), 'welcome'],
  ['bad in a header that wins over a good query', () => ({ ...header(BAD), ...query(GOOD) }), 'unauthorized'],
  ['in a header that wins over a bad subprotocol', () => ({ ...subprotocol(BAD), ...header(GOOD) }), 'welcome'],
  ['bad in a header, good in a subprotocol', () => ({ ...subprotocol(GOOD), ...header(BAD) }), 'unauthorized'],
  ['in a subprotocol that wins over a bad query', () => ({ ...subprotocol(GOOD), ...query(BAD) }), 'welcome'],
  ['bad in a subprotocol, good in the query', () => ({ ...subprotocol(BAD), ...query(GOOD) }), 'unauthorized'],
  ['twice in the query, the first good', () => ({ query: `?jid=${GOOD}&jid=${BAD}` }), 'welcome'],
  ['twice in the query, the first bad', () => ({ query: `?jid=${BAD}&jid=${GOOD}` }), 'unauthorized'],
  ['in a header after Bearer', () => header(`Bearer ${GOOD}`), 'unauthorized'],
  ['in an Authorization header', () => ({ headers: { authorization: `Bearer ${GOOD}` } }), 'unauthorized'],
  ['in a parameter of another case', () => ({ query: `?JID=${GOOD}` }), 'unauthorized'],
  [
    'in a query that has a broken escape elsewhere',
    () => ({ query: `?x=%zz&jid=${GOOD}` }),
    'welcome',
    {
      anycable: 'closes with 1011, without a message',
      why: 'bug: another parameter must not matter',
      told: '1011 Auth Error',
    },
  ],
]

const contents: Row[] = [
  ['HS384', () => claims({}, { alg: 'HS384' }), 'welcome'],
  ['HS512', () => claims({}, { alg: 'HS512' }), 'welcome'],
  ['typ and kid in its header', () => claims({}, { alg: 'HS256', typ: 'JWT', kid: '../../etc/passwd' }), 'welcome'],
  ['another secret', () => query(jwt({ ext: 'ada' }, { secret: 'another' })), 'unauthorized'],
  ['an empty secret', () => query(jwt({ ext: 'ada' }, { secret: '' })), 'unauthorized'],
  [
    'alg none',
    () => query(`${jwt({ ext: 'ada' }, { header: { alg: 'none' } }).replace(/[^.]+$/, '')}`),
    'unauthorized',
  ],
  ['alg none and a signature', () => claims({}, { alg: 'none' }), 'unauthorized'],
  ['alg RS256 with an HMAC as signature', () => claims({}, { alg: 'RS256' }), 'unauthorized'],
  ['alg hs256', () => claims({}, { alg: 'hs256' }), 'unauthorized'],
  ['no alg', () => claims({}, { typ: 'JWT' }), 'unauthorized'],
  ['HS512 in its header, signed with HS256', () => query(mislabelled()), 'unauthorized'],
  ['no signature', () => query(GOOD.replace(/[^.]+$/, '')), 'unauthorized'],
  ['a signature cut short', () => query(GOOD.slice(0, -4)), 'unauthorized'],
  ['a changed payload', () => query(tampered()), 'unauthorized'],
  ['two parts', () => query(GOOD.split('.').slice(0, 2).join('.')), 'unauthorized'],
  ['four parts', () => query(`${GOOD}.${GOOD.split('.')[2]}`), 'unauthorized'],
  ['padded base64', () => query(jwt({ ext: 'adaa' }, { padded: true })), 'unauthorized'],
  ['a list as payload', () => query(jwt([1])), 'unauthorized'],
  ['text as payload', () => query(jwt('{"ext":')), 'unauthorized'],
  ['exp in the past', () => query(OLD), 'token_expired'],
  ['exp right now', () => claims({ exp: now() }), 'token_expired'],
  ['exp in a minute', () => claims({ exp: now() + 60 }), 'welcome'],
  ['exp with a fraction', () => claims({ exp: now() + 60.5 }), 'welcome'],
  ['exp 0, which counts as no exp', () => claims({ exp: 0 }), 'welcome'],
  ['exp null', () => claims({ exp: null }), 'unauthorized'],
  ['a negative exp', () => claims({ exp: -1 }), 'token_expired'],
  ['exp that is text', () => claims({ exp: String(now() + 60) }), 'unauthorized'],
  ['exp in the past and another secret', () => query(jwt({ ext: 'a', exp: 1 }, { secret: 'b' })), 'unauthorized'],
  ['nbf in the past', () => claims({ nbf: now() - 60 }), 'welcome'],
  [
    'nbf in four seconds',
    () => claims({ nbf: now() + 4 }),
    'welcome',
    {
      anycable: 'gives nbf no leeway',
      why: 'choice: a page must load although the clock of its backend is a little ahead',
      told: 'unauthorized',
    },
  ],
  ['nbf in a minute', () => claims({ nbf: now() + 60 }), 'unauthorized'],
  ['nbf that is text', () => claims({ nbf: 'now' }), 'unauthorized'],
  ['exp in the past and nbf in a minute', () => claims({ exp: 1, nbf: now() + 60 }), 'token_expired'],
  [
    'iss, aud, sub and an iat in the future',
    () => claims({ iss: 'x', aud: 'y', sub: 'z', iat: now() + 60 }),
    'welcome',
  ],
  ['an ext that is any text', () => query(jwt({ ext: 'not JSON at all' })), 'welcome'],
  ['an empty ext', () => query(jwt({ ext: '' })), 'welcome'],
  ['an ext that is an object', () => query(jwt({ ext: { user_id: 42 } })), 'unauthorized', EXT_BUG],
  ['an ext that is a number', () => query(jwt({ ext: 42 })), 'unauthorized', EXT_BUG],
  ['an ext that is null', () => query(jwt({ ext: null })), 'unauthorized', EXT_BUG],
  ['no ext', () => query(jwt({ user_id: 42 })), 'unauthorized', EXT_BUG],
]

const of = (secret: string, more: ConnectOptions = {}) => ({ ...more, query: `?jid=${jwt({ ext: 'a' }, { secret })}` })
const settings: [flags: readonly string[], Row][] = [
  [OPEN, ['with --noauth a client needs no token', () => ({}), 'welcome']],
  [OPEN, ['with --noauth the cable welcomes a good token', () => query(GOOD), 'welcome']],
  [OPEN, ['even with --noauth the cable refuses a bad token', () => query(BAD), 'unauthorized']],
  [OPEN, ['even with --noauth the cable refuses an expired token', () => query(OLD), 'token_expired']],
  [ENFORCED, ['with --enforce_jwt a client needs a token, in spite of --noauth', () => ({}), 'unauthorized']],
  [ENFORCED, ['with --enforce_jwt the cable welcomes a good token', () => query(GOOD), 'welcome']],
  [PUBLIC, ['with --public a client needs no token', () => ({}), 'welcome']],
  [PUBLIC, ['with --public the cable ignores a token that it cannot verify', () => query(BAD), 'welcome']],
  [NO_SECRET, ['without a secret the cable ignores a token', () => query(BAD), 'welcome']],
  [GUIDE, ["the older names of the guide's settings enforce tokens", () => ({}), 'unauthorized']],
  [GUIDE, ["the older names of the guide's settings verify tokens", () => of('of-tokens'), 'welcome']],
  [KEYS, ['--jwt_secret outranks --secret', () => query(GOOD), 'unauthorized']],
  [
    KEYS,
    ['--jwt_param names the parameter', () => ({ query: of('of-tokens').query.replace('jid', 'token') }), 'welcome'],
  ],
  [
    KEYS,
    [
      '--jwt_param names the header',
      () => ({ headers: { 'x-token': jwt({ ext: 'a' }, { secret: 'of-tokens' }) } }),
      'welcome',
    ],
  ],
  [KEYS, ['with --jwt_param the cable ignores the usual parameter', () => of('of-tokens'), 'unauthorized']],
]

export const tokens: Scenario[] = [
  ...places.map(([about, ...rest]) => scenario(CLOSED, [`a token ${about}`, ...rest])),
  ...contents.map(([about, ...rest]) => scenario(CLOSED, [`a token with ${about}`, ...rest])),
  ...settings.map(([flags, row]) => scenario(flags, row)),
  {
    title: 'the ext of a token is the identity, byte for byte',
    flags: CLOSED,
    async run(world) {
      const ext = `{ "user_id":42, "name":"é <b>\\u00e9", "at": "${world.stream()}" }`
      const client = await world.welcomed(query(jwt({ ext })))
      const disconnect = (identifier: string) => world.post({ command: 'disconnect', payload: { identifier } })
      await disconnect(JSON.stringify(JSON.parse(ext)))
      assert.deepEqual(await client.answers(), [])
      await disconnect(ext)
      assert.equal((await client.next()).reason, 'remote')
    },
  },
  {
    title: 'a client may use the same token for many connections',
    flags: CLOSED,
    async run(world) {
      for (let i = 0; i < 3; i++) await world.welcomed(query(GOOD))
    },
  },
  {
    title: 'a refusal has these bytes, and the close comes after it',
    flags: CLOSED,
    async run(world) {
      const client = await world.connect()
      assert.equal(await client.text(), '{"type":"disconnect","reason":"unauthorized","reconnect":false}')
      assert.deepEqual(await client.closed, { code: 1000, text: 'Auth Failed' })
    },
  },
  {
    title: 'the cable does not obey commands of a refused client',
    flags: CLOSED,
    async run(world) {
      const client = await world.connect()
      client.send({ command: 'ping' }, { command: 'subscribe', identifier: '{"channel":"$pubsub"}' })
      assert.equal((await client.next()).reason, 'unauthorized')
      await assert.rejects(client.next(), /closed with/)
    },
  },
]

function scenario(flags: readonly string[], [title, options, told, differs]: Row): Scenario {
  const is = (told: Told) => async (world: World) => assert.equal(await outcome(world, options()), told)
  return {
    title: `${title}: ${told}`,
    flags,
    run: is(told),
    ...(differs ? { differs: { ...differs, run: is(differs.told) } } : {}),
  }
}

/** The first frame that a client gets, or its close without a frame. */
async function outcome(world: World, options: ConnectOptions): Promise<string> {
  const client = await world.connect(options)
  const frame = await client.next().catch(() => undefined)
  if (frame === undefined) {
    const { code, text } = await client.closed
    return `${code} ${text}`
  }
  if (frame.type === 'welcome') return 'welcome'
  assert.deepEqual(frame, { type: 'disconnect', reason: frame.reason, reconnect: false })
  assert.deepEqual(await client.closed, { code: 1000, text: 'Auth Failed' })
  return frame.reason!
}

function mislabelled(): string {
  const [, payload] = GOOD.split('.')
  const head = Buffer.from('{"alg":"HS512"}').toString('base64url')
  return `${head}.${payload}.${GOOD.split('.')[2]}`
}

function tampered(): string {
  const [head, , signature] = GOOD.split('.')
  return `${head}.${Buffer.from('{"ext":"{\\"user_id\\":1}"}').toString('base64url')}.${signature}`
}
