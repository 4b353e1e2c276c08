import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errors, jwtVerify, SignJWT } from 'jose'
import { SessionRefused } from '../errors.ts'
import { tokenVerifier } from './identity.ts'

interface Vectors {
  secret: string
  produce: { id: string; ttl: number; token: string; secret?: string; now: number; ext: string }[]
  accept: { id: string; token: string; secret?: string; now: number; ext: string }[]
  refuse: { id: string; flag: string; token: string; secret?: string; now: number; code: string }[]
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../backends/vectors/tokens.json', import.meta.url), 'utf8'),
)

const outcome = (token: string, secret: string, now: number): string => {
  try {
    return `ext ${tokenVerifier([secret])(token, now).identity}`
  } catch (error) {
    if (error instanceof SessionRefused) return error.code
    throw error
  }
}

for (const { id, token, secret = vectors.secret, now, ext } of [
  ...vectors.produce.filter(({ ttl }) => ttl > 0),
  ...vectors.accept,
]) {
  test(`the cable accepts a token: ${id}`, () => {
    assert.equal(outcome(token, secret, now), `ext ${ext}`)
  })
}

for (const { id, flag, token, secret = vectors.secret, now, code } of vectors.refuse.filter(
  ({ code }) => code !== 'token_missing',
)) {
  test(`the cable refuses a token for its reason: ${id} (${flag})`, () => {
    assert.equal(outcome(token, secret, now), code)
  })
}

test('without a secret the cable refuses every token, even one signed with an empty key', () => {
  const text = ['{"alg":"HS256"}', '{"ext":"x"}'].map(part => Buffer.from(part).toString('base64url')).join('.')
  const forged = `${text}.${createHmac('sha256', '').update(text).digest('base64url')}`

  assert.equal(outcome(forged, '', 0), 'nobody_can_connect')
})

test('node:crypto and jose agree on every token, good and broken', async () => {
  const secret = 's3cЯeT, long enough for jose to take it as a key of 64 bytes or more, which RFC 7518 asks of HS512'
  const key = new TextEncoder().encode(secret)
  const now = 1_800_000_000
  const ask = async (token: string, clockTolerance: number) => {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['HS256', 'HS384', 'HS512'],
        currentDate: new Date(now * 1000),
        clockTolerance,
      })
      return typeof payload.ext === 'string' ? `ext ${payload.ext}` : 'token_ext_invalid'
    } catch (error) {
      if (error instanceof errors.JWTExpired) return 'token_expired'
      return error instanceof errors.JWTClaimValidationFailed &&
        error.claim === 'nbf' &&
        error.reason === 'check_failed'
        ? 'token_not_yet_valid'
        : 'token_invalid'
    }
  }
  // jose's tolerance loosens exp as well, so we grant it only if nbf alone would refuse the token.
  const judge = async (token: string) => {
    const exact = await ask(token, 0)
    return exact === 'token_not_yet_valid' ? await ask(token, 5) : exact
  }

  const good: string[] = []
  for (const alg of ['HS256', 'HS384', 'HS512']) {
    for (const claims of [
      {},
      { exp: now + 1 },
      { exp: now },
      { exp: now - 1 },
      { nbf: now },
      { nbf: now + 5 },
      { nbf: now + 6 },
      { exp: now + 60, nbf: now + 1 },
      { exp: now + 10.5, nbf: 1.5 },
    ]) {
      for (const ext of ['{"user":"é🦄"}', '', 7, undefined])
        good.push(await new SignJWT({ ext, ...claims }).setProtectedHeader({ alg, typ: 'JWT', kid: 'x' }).sign(key))
    }
  }
  // (jose takes a padded signature, which RFC 7515 does not have; the vectors say that we do not.)
  const broken = good.flatMap(token => [
    token.slice(0, -1),
    `${token}.`,
    ` ${token}`,
    token.replace('.', '..'),
    token.slice(1),
    token.replace(/\.[^.]*$/, '.'),
  ])

  for (const token of [...good, ...broken]) assert.equal(outcome(token, secret, now), await judge(token), token)
})
