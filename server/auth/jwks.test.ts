import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { type JWTPayload, SignJWT } from 'jose'
import { SessionRefused } from '../errors.ts'
import { createLog } from '../log.ts'
import { type IdentifyLater, type PublicTokens, publicTokenVerifier } from './jwks.ts'

const NOW = 1_800_000_000
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const KEYS = {
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const
type Algorithm = keyof typeof KEYS

const LOG = createLog('error', 'text')
const CHUNK = Buffer.alloc(64 << 10, ' ')

const OTHER = generateKeyPairSync('rsa', { modulusLength: 2048 })

const sign = (claims: JWTPayload, header: object = {}, alg: Algorithm = 'RS256', key?: KeyObject): Promise<string> =>
  new SignJWT({ ext: '{"user":1}', ...claims }).setProtectedHeader({ alg, ...header }).sign(key ?? KEYS[alg].privateKey)

const jwk = ({ publicKey }: { publicKey: KeyObject }, more: object) => ({
  ...publicKey.export({ format: 'jwk' }),
  ...more,
})

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function verifier(given: Partial<PublicTokens>, clock = { ms: 0 }): IdentifyLater {
  const parts = { monotonic: () => clock.ms, log: LOG }
  return publicTokenVerifier({ keys: [], issuer: '', audiences: [], claim: 'ext', ...given }, parts)
}

const outcome = async (identify: IdentifyLater, token: string): Promise<string> => {
  try {
    return (await identify(token, NOW)).identity
  } catch (error) {
    if (error instanceof SessionRefused) return error.code
    throw error
  }
}

/** A provider of keys, which counts its requests. */
async function provider(t: TestContext, answer: RequestListener) {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await new Promise(listening => server.once('listening', listening))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  return { url, requests: () => requests, close: () => server.close() }
}

/** A provider whose keys a test may replace. */
async function published(t: TestContext, first: unknown) {
  const state: { body: unknown; status: number } = { body: first, status: 200 }
  const running = await provider(t, (_, response) => response.writeHead(state.status).end(JSON.stringify(state.body)))
  return Object.assign(state, running)
}

for (const alg of Object.keys(KEYS) as Algorithm[]) {
  test(`a token signed with ${alg} verifies with its public key, and with no other`, async () => {
    const token = await sign({ exp: NOW + 60 }, {}, alg)
    const stranger = KEYS[alg === 'EdDSA' ? 'ES256' : 'EdDSA'].publicKey

    assert.equal(await outcome(verifier({ keys: [stranger, KEYS[alg].publicKey] }), token), '{"user":1}')
    assert.equal(await outcome(verifier({ keys: [stranger] }), token), 'token_key_unknown')
    const forged = await sign({}, {}, 'RS256', OTHER.privateKey)
    assert.equal(await outcome(verifier({ keys: [RSA.publicKey] }), forged), 'token_invalid')
  })
}

test('several public keys verify, so that a provider can rotate them', async () => {
  const identify = verifier({ keys: [OTHER.publicKey, RSA.publicKey] })

  assert.equal(await outcome(identify, await sign({})), '{"user":1}')
  assert.equal(await outcome(identify, await sign({}, {}, 'RS256', OTHER.privateKey)), '{"user":1}')
})

test('the algorithm of a token chooses nothing: neither a secret made of the public key, nor the lack of a signature', async t => {
  const pem = RSA.publicKey.export({ type: 'spki', format: 'pem' })
  const der = RSA.publicKey.export({ type: 'spki', format: 'der' })
  const set = await published(t, { keys: [jwk(RSA, { kid: 'a' }), { kty: 'oct', k: 'c2VjcmV0', kid: 'secret' }] })
  const identifiers = [verifier({ keys: [RSA.publicKey] }), verifier({ keys: set.url })]

  for (const identify of identifiers) {
    for (const secret of [pem, pem.toString().trim(), der, 'secret', '']) {
      for (const header of [{ alg: 'HS256' }, { alg: 'HS256', kid: 'a' }, { alg: 'HS256', kid: 'secret' }]) {
        const text = `${base64url(header)}.${base64url({ ext: 'x' })}`
        const token = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
        assert.equal(await outcome(identify, token), 'token_invalid')
      }
    }
    for (const alg of [
      'none',
      'None',
      'NONE',
      '',
      'HS512',
      'RS1',
      'ES256K',
      'dir',
      '__proto__',
      'constructor',
      7,
      null,
    ]) {
      const text = `${base64url({ alg, kid: 'a' })}.${base64url({ ext: 'x' })}`
      for (const signature of ['', 'AA', createHmac('sha256', pem).update(text).digest('base64url')])
        assert.equal(await outcome(identify, `${text}.${signature}`), 'token_invalid', `${alg}`)
    }
  }
  assert.equal(set.requests(), 0, 'a token with such an algorithm causes no request')
})

test('only keys of the set verify: a token can bring neither a key nor the URL of one', async t => {
  const set = await published(t, { keys: [jwk(RSA, { kid: 'a' })] })
  const identify = verifier({ keys: set.url })

  for (const header of [
    { kid: 'a', jwk: jwk(OTHER, {}) },
    { kid: 'a', jku: set.url, x5u: set.url },
    { kid: 'a', x5c: ['MIIB'] },
  ])
    assert.equal(await outcome(identify, await sign({}, header, 'RS256', OTHER.privateKey)), 'token_invalid')
  assert.equal(set.requests(), 1)
})

test('a token is refused for its reason', async () => {
  const identify = verifier({
    keys: [RSA.publicKey],
    issuer: 'https://idp.test/',
    audiences: ['app', 'api'],
    claim: 'sub',
  })
  const good = { sub: 'ada', iss: 'https://idp.test/', aud: 'app', exp: NOW + 1 }

  for (const [claims, code] of [
    [{}, 'ada'],
    [{ exp: undefined }, 'ada'],
    [{ aud: ['other', 'api'] }, 'ada'],
    [{ nbf: NOW + 5 }, 'ada'],
    [{ exp: NOW }, 'token_expired'],
    [{ exp: NOW - 4 }, 'token_expired'],
    [{ exp: NOW - 100 }, 'token_expired'],
    [{ exp: 0 }, 'token_expired'],
    [{ exp: `${NOW + 60}` }, 'token_invalid'],
    [{ nbf: NOW + 6 }, 'token_not_yet_valid'],
    [{ nbf: 'soon' }, 'token_invalid'],
    [{ iss: 'https://idp.test' }, 'token_issuer_mismatch'],
    [{ iss: undefined }, 'token_issuer_mismatch'],
    [{ iss: ['https://idp.test/'] }, 'token_issuer_mismatch'],
    [{ aud: 'other' }, 'token_audience_mismatch'],
    [{ aud: [] }, 'token_audience_mismatch'],
    [{ aud: undefined }, 'token_audience_mismatch'],
    [{ aud: { app: 'app' } }, 'token_audience_mismatch'],
    [{ sub: undefined }, 'token_identity_missing'],
    [{ sub: 7 }, 'token_identity_missing'],
  ] as [JWTPayload, string][])
    assert.equal(await outcome(identify, await sign({ ...good, ...claims })), code, JSON.stringify(claims))

  const inherited = verifier({ keys: [RSA.publicKey], claim: 'constructor' })
  assert.equal(await outcome(inherited, await sign({})), 'token_identity_missing')
  for (const text of ['', 'a', 'a.b', 'a.b.c', '..', 'e30.e30.', `${await sign({})}.x`, ` ${await sign({})}`, 'é.é.é'])
    assert.equal(await outcome(identify, text), 'token_invalid', text)
  assert.equal(await outcome(identify, await sign(good, { crit: ['b64'], b64: true })), 'ada')
  assert.equal(
    await outcome(identify, `${base64url({ alg: 'RS256', crit: ['exp'], exp: 1 })}.${base64url(good)}.AA`),
    'token_invalid',
  )
})

test('an expiry with a fraction ends in the second that begins before it', async () => {
  assert.equal((await verifier({ keys: [RSA.publicKey] })(await sign({ exp: NOW + 7.5 }), NOW)).expires, NOW + 7)
})

test('a rotated key verifies at once, and the one that it replaced no longer does', async t => {
  const clock = { ms: 0 }
  const set = await published(t, { keys: [jwk(RSA, { kid: 'old' })] })
  const identify = verifier({ keys: set.url }, clock)
  const [old, fresh] = [await sign({}, { kid: 'old' }), await sign({}, { kid: 'new' }, 'ES256')]
  assert.equal(await outcome(identify, old), '{"user":1}')

  set.body = { keys: [jwk(KEYS.ES256, { kid: 'new' })] }
  clock.ms += 30_000
  assert.equal(await outcome(identify, fresh), '{"user":1}')

  assert.equal(await outcome(identify, old), 'token_keys_unavailable')
  clock.ms += 30_000
  assert.equal(await outcome(identify, old), 'token_key_unknown')
  assert.equal(set.requests(), 3)
})

test('a rotated key without a name verifies at once, and a forged token causes one request in 30 s', async t => {
  const clock = { ms: 0 }
  const set = await published(t, { keys: [jwk(RSA, {})] })
  const identify = verifier({ keys: set.url }, clock)
  const fresh = await sign({}, {}, 'RS256', OTHER.privateKey)
  assert.equal(await outcome(identify, await sign({})), '{"user":1}')

  set.body = { keys: [jwk(OTHER, {})] }
  assert.equal(await outcome(identify, fresh), 'token_invalid')
  assert.equal(set.requests(), 1)
  clock.ms += 30_000
  assert.equal(await outcome(identify, fresh), '{"user":1}')

  clock.ms += 30_000
  const forged = await Promise.all(Array.from({ length: 50 }, async () => outcome(identify, await sign({}))))
  assert.deepEqual(new Set(forged), new Set(['token_invalid']))
  assert.equal(set.requests(), 3)
})

test('a thousand tokens with unknown keys cause one request in 30 s, and known keys still verify', async t => {
  const clock = { ms: 0 }
  const set = await published(t, { keys: [jwk(RSA, { kid: 'a' })] })
  const identify = verifier({ keys: set.url }, clock)
  const good = await sign({}, { kid: 'a' })
  assert.equal(await outcome(identify, good), '{"user":1}')
  clock.ms += 30_000

  const [, claims, signature] = good.split('.')
  const strangers = Array.from({ length: 1000 }, (_, n) => base64url({ alg: 'RS256', kid: `x${n}` }))
  const outcomes = await Promise.all(strangers.map(header => outcome(identify, `${header}.${claims}.${signature}`)))

  assert.deepEqual(new Set(outcomes), new Set(['token_key_unknown']))
  assert.equal(set.requests(), 2)
  assert.equal(await outcome(identify, await sign({}, { kid: 'late' })), 'token_keys_unavailable')
  assert.equal(await outcome(identify, good), '{"user":1}')
  assert.equal(set.requests(), 2)
})

test('keys older than ten minutes are renewed, without a wait', async t => {
  const clock = { ms: 0 }
  const set = await published(t, { keys: [jwk(RSA, { kid: 'a' })] })
  const identify = verifier({ keys: set.url }, clock)
  const token = await sign({}, { kid: 'a' })
  await outcome(identify, token)

  set.body = { keys: [jwk(OTHER, { kid: 'a' })] }
  clock.ms += 10 * 60_000
  assert.equal(await outcome(identify, token), '{"user":1}')
  while ((await outcome(identify, token)) !== 'token_invalid');
  assert.equal(set.requests(), 2)
})

test('known keys still verify while the URL is down, moved, or answers without keys', async t => {
  const clock = { ms: 0 }
  const set = await published(t, { keys: [jwk(RSA, { kid: 'a' })] })
  const identify = verifier({ keys: set.url }, clock)
  const token = await sign({}, { kid: 'a' })
  const stranger = await sign({}, { kid: 'b' })
  await outcome(identify, token)

  for (const [status, body] of [
    [500, {}],
    [404, { keys: [jwk(OTHER, { kid: 'b' })] }],
    [302, { keys: [jwk(OTHER, { kid: 'b' })] }],
    [200, { keys: [] }],
    [200, {}],
    [200, null],
    [200, 'x'],
    [200, { keys: [7] }],
  ] as const) {
    Object.assign(set, { status, body })
    clock.ms += 30_000
    assert.equal(await outcome(identify, stranger), 'token_keys_unavailable', JSON.stringify([status, body]))
    assert.equal(await outcome(identify, token), '{"user":1}')
  }
})

test('without keys a client is asked to reconnect, and the URL is asked once a second', async t => {
  const clock = { ms: 0 }
  const set = await published(t, {})
  const identify = verifier({ keys: set.url }, clock)
  const token = await sign({}, { kid: 'a' })

  const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(identify, token)))
  assert.deepEqual(new Set(outcomes), new Set(['token_keys_unavailable']))
  assert.equal(await outcome(identify, token), 'token_keys_unavailable')
  assert.equal(set.requests(), 1)

  set.body = { keys: [jwk(RSA, { kid: 'a' })] }
  clock.ms += 1000
  assert.equal(await outcome(identify, token), '{"user":1}')
})

test('a redirect is refused, and so is an endless answer', async t => {
  const real = await published(t, { keys: [jwk(RSA, { kid: 'a' })] })
  const moved = await provider(t, (_, response) => response.writeHead(307, { location: real.url }).end())
  let sent = 0
  const endless = await provider(t, (_, response) => {
    const spaces = new Readable({
      read() {
        sent += CHUNK.length
        this.push(CHUNK)
      },
    })
    spaces.pipe(response)
  })
  const token = await sign({}, { kid: 'a' })

  assert.equal(await outcome(verifier({ keys: moved.url }), token), 'token_keys_unavailable')
  assert.equal(real.requests(), 0)
  assert.equal(await outcome(verifier({ keys: endless.url }), token), 'token_keys_unavailable')
  assert.ok(sent < 16 << 20, `${sent} bytes`)
})

test('a slow URL holds up only clients with an unknown key', async t => {
  const clock = { ms: 0 }
  let isSlow = false
  const body = JSON.stringify({ keys: [jwk(RSA, { kid: 'a' })] })
  const slow = await provider(t, (_, response) => void (isSlow || response.end(body)))
  const identify = verifier({ keys: slow.url }, clock)
  const token = await sign({}, { kid: 'a' })
  await outcome(identify, token)

  isSlow = true
  clock.ms += 10 * 60_000
  const stranger = outcome(identify, await sign({}, { kid: 'b' }))
  for (let n = 0; n < 10; n++) assert.equal(await outcome(identify, token), '{"user":1}')
  assert.equal(await stranger, 'token_keys_unavailable')
})

test('one unusable key does not disable the others, and a short or a private key verifies nothing', async t => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const set = await published(t, {
    keys: [
      { kty: 'RSA', n: '!', e: 'AQAB', kid: 'broken' },
      { kty: 'martian', kid: 'martian' },
      { ...OTHER.privateKey.export({ format: 'jwk' }), kid: 'private' },
      jwk(short, { kid: 'short' }),
      jwk(KEYS.ES384, { kid: 'encryption', use: 'enc' }),
      jwk(RSA, { kid: 'a', alg: 'PS256' }),
    ],
  })
  const identify = verifier({ keys: set.url })
  const forgery = `.${base64url({ ext: 'x' })}.${'A'.repeat(172)}`

  assert.equal(await outcome(identify, await sign({}, { kid: 'a' }, 'PS256')), '{"user":1}')
  assert.equal(await outcome(identify, await sign({}, { kid: 'a' }, 'RS256')), 'token_keys_unavailable')
  assert.equal(await outcome(identify, await sign({}, { kid: 'private' }, 'RS256', OTHER.privateKey)), 'token_invalid')
  assert.equal(await outcome(identify, base64url({ alg: 'RS256', kid: 'broken' }) + forgery), 'token_invalid')
  assert.equal(await outcome(identify, base64url({ alg: 'RS256', kid: 'short' }) + forgery), 'token_invalid')
  assert.equal(await outcome(identify, await sign({}, { kid: 'encryption' }, 'ES384')), 'token_keys_unavailable')
})

test('an unusable key does not disable another that fits a token without a kid', async t => {
  const short = jwk(generateKeyPairSync('rsa', { modulusLength: 1024 }), {})
  const broken = { ...jwk(OTHER, {}), n: '!' }
  const set = await published(t, { keys: [short, broken, jwk(OTHER, { key_ops: ['sign'] }), jwk(RSA, {})] })

  assert.equal(await outcome(verifier({ keys: set.url }), await sign({})), '{"user":1}')
  assert.equal(
    await outcome(verifier({ keys: set.url }), await sign({}, {}, 'RS256', OTHER.privateKey)),
    'token_invalid',
  )
})

test('a token that names no key is tried with the keys that fit, eight at most', async t => {
  const strangers = Array.from({ length: 8 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  const keys = [...strangers.slice(1), KEYS.ES256].map((key, n) => jwk(key, { kid: `${n}` }))
  const set = await published(t, { keys })
  const all = await published(t, { keys: [jwk(strangers[0]!, { kid: 'x' }), ...keys] })

  assert.equal(await outcome(verifier({ keys: set.url }), await sign({}, {}, 'ES256')), '{"user":1}')
  assert.equal(await outcome(verifier({ keys: all.url }), await sign({}, {}, 'ES256')), 'token_invalid')
})
