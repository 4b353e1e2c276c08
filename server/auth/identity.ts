/**
 * The identity of a client: the `ext` claim of a JWT, as AnyCable reads it.
 *
 *   claims   {"ext": "{\"user_id\":42}", "exp": 1790000000}
 *   identity {"user_id":42}            the string verbatim: remote disconnects compare it byte for byte
 *
 * node:crypto verifies HS256/384/512: we authenticate a herd of reconnecting clients on the event loop, and WebCrypto's way
 * through the thread pool costs twice as much. A test compares the results with those of jose.
 *
 * The caller passes the time. Vectors: tokens.json
 */
import { SessionRefused } from '../errors.ts'
import { type Digest, Hmac } from './hmac.ts'

const DIGESTS = new Map<string, Digest>([
  ['HS256', 'sha256'],
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
])

export interface Verified {
  readonly identity: string
  /** Unix seconds; `undefined`: never. */
  readonly expires: number | undefined
  /** The index of the secret that verified it. */
  readonly key: number
}

/**
 * Returns the identity in a token. Throws {@link SessionRefused}.
 * We check the signature before the claims, so that a forger learns nothing about dates.
 * `nowSeconds` is Unix time, whole seconds.
 */
export type Identify = (token: string, nowSeconds: number) => Verified

/** Each of the `secrets` verifies; the present one comes first. An empty one verifies nothing. */
export function tokenVerifier(secrets: readonly string[]): Identify {
  const keys = secrets.map(secret => (secret === '' ? undefined : keysOf(secret)))
  /** Headers of valid tokens, as clients sent them: all tokens of one issuer have the same. */
  const known = new Map<string, Digest>()

  return (token, nowSeconds) => {
    if (keys.every(key => key === undefined)) throw new SessionRefused('nobody_can_connect')
    const [first, last] = [token.indexOf('.'), token.lastIndexOf('.')]
    if (first < 0 || token.indexOf('.', first + 1) !== last) throw new SessionRefused('token_invalid')
    const [header, claims, signature] = [token.slice(0, first), token.slice(first + 1, last), token.slice(last + 1)]

    const digest = known.get(header) ?? digestOf(header)
    if (!isBase64url(signature)) throw new SessionRefused('token_invalid')
    const signed = token.slice(0, last)
    const key = keys.findIndex(key => key?.[digest].verifies(signed, signature, 'base64url'))
    if (key < 0) throw new SessionRefused('token_invalid')
    if (known.size < REMEMBERED) known.set(header, digest)

    const { ext, exp, nbf } = decode(claims)
    const [expires, begins] = [date(exp), date(nbf)]
    if (expires !== undefined && nowSeconds >= expires) throw new SessionRefused('token_expired')
    if (begins !== undefined && nowSeconds + NBF_LEEWAY < begins) throw new SessionRefused('token_not_yet_valid')
    if (typeof ext !== 'string') throw new SessionRefused('token_ext_invalid')
    return { identity: ext, expires, key }
  }
}

/** Headers that we remember. */
const REMEMBERED = 16

/** Seconds that a backend's clock may be ahead of ours: a token with `nbf` "now" must work at once. `exp` has no leeway. */
export const NBF_LEEWAY = 5

const keysOf = (secret: string) => ({
  sha256: new Hmac('sha256', secret),
  sha384: new Hmac('sha384', secret),
  sha512: new Hmac('sha512', secret),
})

function digestOf(header: string): Digest {
  const { alg, crit } = decode(header)
  const digest = typeof alg === 'string' ? DIGESTS.get(alg) : undefined
  // `crit` lists extensions that a verifier must understand (RFC 7515, 4.1.11); we understand none.
  if (digest === undefined || crit !== undefined) throw new SessionRefused('token_invalid')
  return digest
}

/** Unix seconds; zero counts as absent, as in the reference. */
function date(claim: unknown): number | undefined {
  if (claim === undefined || claim === 0) return undefined
  if (typeof claim !== 'number') throw new SessionRefused('token_invalid')
  return Math.trunc(claim)
}

function decode(segment: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(UTF8.decode(bytes(segment)))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch (cause) {
    throw new SessionRefused('token_invalid', { cause })
  }
  throw new SessionRefused('token_invalid')
}

function bytes(segment: string): Buffer {
  if (!isBase64url(segment)) throw new SessionRefused('token_invalid')
  return Buffer.from(segment, 'base64url')
}

/** Decodes unpadded base64url only (RFC 7515, appendix C); Buffer alone would skip other characters. */
const isBase64url = (segment: string) => /^[A-Za-z0-9_-]+$/.test(segment) && segment.length % 4 !== 1

const UTF8 = new TextDecoder('utf-8', { fatal: true })
