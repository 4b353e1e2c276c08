/**
 * Why the cable would refuse a token of an identity provider. Asks no --jwks_url: with one the signature is not checked. Pure.
 */
import { constants, type KeyObject, verify } from 'node:crypto'
import { NBF_LEEWAY } from '../auth/identity.ts'
import type { PublicTokens } from '../auth/jwks.ts'
import type { FaultCode } from './faults.ts'
import { show } from './shorten.ts'

export interface Parsed {
  readonly alg: unknown
  readonly claims: Readonly<Record<string, unknown>>
  /** Header and claims, as they are signed. */
  readonly signed: string
  readonly signature: Buffer
}

type Reason = readonly [code: FaultCode, detail?: string]

/** The first reason is the cable's. */
export function judgePublic({ alg, claims, signed, signature }: Parsed, expected: PublicTokens, now: number): Reason[] {
  const { keys, issuer, audiences, claim } = expected
  const { exp, nbf, iss, aud } = claims
  const options = OPTIONS.get(show(alg).slice(0, 2))
  if (options === undefined) return [['token_invalid', `its algorithm is ${show(alg)}; the cable has a public key`]]
  const reasons: Reason[] = []
  if (typeof keys === 'string') reasons.push(['keys_published'])
  else if (!keys.some(key => verifies(show(alg), options, key, signed, signature)))
    return [['token_invalid', 'its signature fits none of the public keys']]
  if (typeof exp === 'number' && now >= exp) reasons.push(['token_expired'])
  if (typeof nbf === 'number' && now + NBF_LEEWAY < nbf) reasons.push(['token_not_yet_valid'])
  if (issuer !== '' && iss !== issuer) reasons.push(['token_issuer_mismatch', issuer])
  if (audiences.length > 0 && ![aud].flat().some(one => audiences.includes(one as string)))
    reasons.push(['token_audience_mismatch', audiences.join(' or ')])
  if (typeof claims[claim] !== 'string') reasons.push(['token_identity_missing', claim])
  return reasons
}

const OPTIONS = new Map<string, object>([
  ['RS', { padding: constants.RSA_PKCS1_PADDING }],
  ['PS', { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }],
  ['ES', { dsaEncoding: 'ieee-p1363' }],
  ['Ed', {}],
])

function verifies(alg: string, options: object, key: KeyObject, text: string, signature: Buffer): boolean {
  const digest = alg.startsWith('Ed') ? null : `sha${alg.slice(2)}`
  try {
    return verify(digest, Buffer.from(text), { key, ...options }, signature)
  } catch {
    return false // a key of another kind, or an unknown digest
  }
}
