/**
 * The identity of a client, from a token that an identity provider signed with its private key.
 *
 *   --jwt_public_key   the public key, or several
 *   --jwks_url         where the provider publishes its keys; the header of a token names one as `kid`
 *
 * A cable reads these tokens or those with a secret, never both. Otherwise a client could sign with the text of the public
 * key as the secret, and choose HS256 in the header.
 *
 * This is the only file that uses jose, and it loads jose with the first token.
 */
import type { KeyObject } from 'node:crypto'
import type { CryptoKey, JWSHeaderParameters, JWTPayload, LocalJWKSet } from 'jose'
import { SessionRefused } from '../errors.ts'
import { NBF_LEEWAY, type Verified } from './identity.ts'
import { KeySet, type KeySetParts } from './key-set.ts'

export interface PublicTokens {
  /** The keys, or the URL where the provider publishes them. */
  readonly keys: readonly KeyObject[] | string
  /** Required `iss`; empty: any. */
  readonly issuer: string
  /** One of these is required in `aud`; empty: any. */
  readonly audiences: readonly string[]
  /** Name of the claim that is the identity. */
  readonly claim: string
}

export type PublicTokenParts = Pick<KeySetParts<unknown>, 'monotonic' | 'log'>

/** Rejects with {@link SessionRefused}. `nowSeconds` is Unix time, whole seconds. */
export type IdentifyLater = (token: string, nowSeconds: number) => Promise<Verified>

export function publicTokenVerifier(expected: PublicTokens, parts: PublicTokenParts): IdentifyLater {
  let ready: Promise<IdentifyLater> | undefined
  return async (token, nowSeconds) => {
    ready ??= import('jose').then(jose => createVerifier(jose, expected, parts))
    return (await ready)(token, nowSeconds)
  }
}

type Jose = typeof import('jose')

function createVerifier(jose: Jose, { keys, ...expected }: PublicTokens, parts: PublicTokenParts): IdentifyLater {
  const { issuer, audiences } = expected
  const claims = {
    algorithms: ALGORITHMS,
    clockTolerance: NBF_LEEWAY,
    ...(issuer === '' ? {} : { issuer }),
    ...(audiences.length === 0 ? {} : { audience: [...audiences] }),
  }
  const findKeys = typeof keys === 'string' ? publishedKeys(jose, keys, parts) : givenKeys(jose, keys)

  async function payloadOf(token: string, nowSeconds: number): Promise<JWTPayload> {
    const header = jose.decodeProtectedHeader(token)
    // Before we look for a key: a token with another algorithm must cause no request.
    if (!ALGORITHMS.some(algorithm => algorithm === header.alg)) throw new SessionRefused('token_invalid')
    let reason: unknown
    for await (const key of findKeys(header)) {
      try {
        const options = { ...claims, currentDate: new Date(nowSeconds * 1000) }
        return (await jose.jwtVerify(token, key, options)).payload
      } catch (error) {
        // (jose throws a TypeError for a key that it cannot use, such as an RSA key that is too short.)
        const isOfKey = error instanceof jose.errors.JWSSignatureVerificationFailed || error instanceof TypeError
        if (!isOfKey) throw error
        reason = error
      }
    }
    throw reason
  }

  return async (token, nowSeconds) => {
    const payload = await payloadOf(token, nowSeconds).catch(error => {
      throw refusalOf(jose, error)
    })
    const { exp: expires } = payload
    // jose gives `exp` the leeway of `nbf`.
    if (expires !== undefined && nowSeconds >= expires) throw new SessionRefused('token_expired')
    const identity = Object.hasOwn(payload, expected.claim) ? payload[expected.claim] : undefined
    if (typeof identity !== 'string') throw new SessionRefused('token_identity_missing')
    return { identity, expires: expires === undefined ? undefined : Math.trunc(expires), key: 0 }
  }
}

/** The keys that may have signed a token with this header. */
type FindKeys = (header: JWSHeaderParameters) => AsyncIterable<CryptoKey>

/** These keys have no names, so we try each that fits the algorithm. */
function givenKeys(jose: Jose, keys: readonly KeyObject[]): FindKeys {
  const set = jose.createLocalJWKSet({ keys: keys.map(key => key.export({ format: 'jwk' }) as { kty: string }) })
  return async function* ({ alg }) {
    yield* await fitting(jose, set, { alg: alg! })
  }
}

function publishedKeys(jose: Jose, url: string, parts: PublicTokenParts): FindKeys {
  const parse = (json: unknown): LocalJWKSet => {
    const set = jose.createLocalJWKSet(json as Parameters<Jose['createLocalJWKSet']>[0])
    if (set.jwks().keys.length === 0) throw new Error('the answer has no keys')
    return set
  }
  const published = new KeySet(url, { ...parts, parse })
  return async function* (header) {
    const known = await published.known()
    if (known === undefined) throw new SessionRefused('token_keys_unavailable')
    let cause: unknown
    try {
      yield* await fitting(jose, known, header)
      // A token that names no key may have been signed with a new one.
      if (header.kid !== undefined) return
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey)) throw error
      cause = error
    }
    const renewed = await published.renewed(known)
    if (renewed !== undefined) yield* await fitting(jose, renewed, header)
    // The provider may have a new key by now, so the client shall try again.
    else if (cause !== undefined) throw new SessionRefused('token_keys_unavailable', { cause })
  }
}

/** Rejects with jose's error if no key fits the header. */
async function fitting(jose: Jose, set: LocalJWKSet, header: JWSHeaderParameters): Promise<readonly CryptoKey[]> {
  try {
    return [await set({ ...header, alg: header.alg! })]
  } catch (error) {
    if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error
    const keys: CryptoKey[] = []
    for await (const key of error) if (keys.push(key) === MOST_TRIED) break
    return keys
  }
}

function refusalOf({ errors }: Jose, error: unknown): SessionRefused {
  if (error instanceof SessionRefused) return error
  const cause = { cause: error }
  if (error instanceof errors.JWTExpired) return new SessionRefused('token_expired', cause)
  if (error instanceof errors.JWKSNoMatchingKey) return new SessionRefused('token_key_unknown', cause)
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error
    if (claim === 'nbf' && reason === 'check_failed') return new SessionRefused('token_not_yet_valid', cause)
    if (claim === 'iss') return new SessionRefused('token_issuer_mismatch', cause)
    if (claim === 'aud') return new SessionRefused('token_audience_mismatch', cause)
  }
  return new SessionRefused('token_invalid', cause)
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** Keys that we try for a token whose header names none. */
const MOST_TRIED = 8
