/**
 * Decodes a token: its identity, its dates, the key that signed it, and why the cable would refuse it. Pure.
 */
import { tokenVerifier } from '../auth/identity.ts'
import { SessionRefused } from '../errors.ts'
import type { Context } from './context.ts'
import { addFault, type Finding, finding, MOST_PARTS } from './finding.ts'
import { namedKeys, signerOf, strangeSignerOf } from './keys.ts'
import { judgePublic } from './public-token.ts'
import { show } from './shorten.ts'
import { timeAt } from './time.ts'

const DIGESTS = new Map<unknown, string>([
  ['HS256', 'sha256'],
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
])

/** A larger time must be in milliseconds: as seconds it would be after the year 5138. */
const MOST_SECONDS = 1e11

export function decodeToken(token: string, context: Context): Finding {
  const { settings, now } = context
  const [header, claims] = token.split('.').map(parseSegment)
  const found = finding('token')
  const { alg } = header ?? {}
  if (alg !== undefined) found.facts.push(['algorithm', show(alg)])
  for (const [name, value] of Object.entries(claims ?? {}).slice(0, MOST_PARTS)) {
    const isDate = /^(exp|nbf|iat)$/.test(name) && typeof value === 'number'
    const date = isDate ? timeAt(value > MOST_SECONDS ? value / 1000 : value, now) : show(value)
    found.facts.push([NAMES.get(name) ?? `claim ${name}`, date])
    if (isDate && value > MOST_SECONDS) addFault(found, 'token_in_ms')
  }
  const digest = DIGESTS.get(alg)
  const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
  const signed = token.slice(0, token.lastIndexOf('.'))
  const signer = digest && signerOf(namedKeys(settings).tokens, digest, signed, signature)
  if (signer) found.facts.push(['signed with', signer])
  if (claims !== undefined && !claims.exp) addFault(found, 'token_forever')
  if (settings.publicTokens !== undefined) {
    const reasons = judgePublic({ alg, claims: claims ?? {}, signed, signature }, settings.publicTokens, now)
    for (const [code, detail] of reasons) addFault(found, code, detail)
    if (reasons.length === 0) found.facts.push(['signed with', 'the private key of a public key of the cable'], GOOD)
    return found
  }
  if (settings.jwtSecrets.length === 0) {
    if (header === undefined || claims === undefined) addFault(found, 'token_invalid', reason())
    addFault(found, 'keys_unknown')
    if (typeof claims?.exp === 'number' && claims.exp <= now) addFault(found, 'token_expired')
    return found
  }
  try {
    tokenVerifier(settings.jwtSecrets)(token, Math.floor(now))
    found.facts.push(GOOD)
  } catch (error) {
    if (!(error instanceof SessionRefused)) throw error
    addFault(found, error.code, error.code === 'token_invalid' && !signer ? reason() : undefined)
  }
  return found

  function reason(): string | undefined {
    if (header === undefined || claims === undefined)
      return 'a token has three parts of base64url without padding, with a dot between them'
    if (digest === undefined) return alg === undefined ? 'it names no algorithm' : `its algorithm is ${show(alg)}`
    const strange = strangeSignerOf(settings, digest, signed, signature)
    if (strange !== undefined) return `it is signed with ${strange}`
    return 'no key that we know has signed it'
  }
}

const GOOD = ['good for', 'connecting'] as const

const NAMES = new Map([
  ['ext', 'identity'],
  ['exp', 'expires'],
  ['nbf', 'not valid before'],
  ['iat', 'issued'],
])

function parseSegment(segment: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
