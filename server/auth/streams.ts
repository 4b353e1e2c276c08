/**
 * Signed stream names: proof that a backend allowed this client to listen.
 *
 *   stream  chat/42
 *   signed  ImNoYXQvNDIi--<hex HMAC-SHA256 of everything before the dashes>
 *
 * This is Rails' MessageVerifier with a JSON serializer, so any backend can sign the names that we verify. Languages disagree on
 * the JSON inside (PHP writes "chat\/42", Python escapes "é"), so we check the signature over the bytes that the
 * client sent, and decode them afterwards. Re-signing and comparing would refuse honest backends.
 *
 * No I/O, no clock. Vectors: signed-streams.json
 */
import { SubscriptionRejected } from '../errors.ts'
import { Hmac } from './hmac.ts'
import type { Secret } from './keys.ts'

export interface StreamKeys {
  /** Each verifies; the first is the present one. An empty one verifies nothing: any client could sign with it. */
  readonly secrets: readonly Secret[]
  /** The purpose that a signed name must have; empty: it must have none. */
  readonly purpose: string
  /** Another purpose that it may have: then the app has to permit it as well. Empty: no other. */
  readonly askedPurpose?: string
}

export interface VerifiedStream {
  readonly stream: string
  /** The index of the secret that verified it. */
  readonly key: number
  /** Whether the name never expires. */
  readonly forever: boolean
  /** Whether its purpose says that the app has to permit it. */
  readonly isAsked: boolean
}

/** Returns the stream that a signed name grants. `nowSeconds` is Unix time. Throws {@link SubscriptionRejected}. */
export type VerifyStream = (signed: string, nowSeconds: number) => VerifiedStream

/** Names that we remember. */
const REMEMBERED = 1000

/** Remembers the names verified last, if they never expire: a herd of clients asks for a few names, thousands of times. */
export function streamVerifier({ secrets, purpose, askedPurpose = '' }: StreamKeys): VerifyStream {
  const keys = secrets.map(secret => (secret === '' ? undefined : new Hmac('sha256', secret)))
  const known = new Map<string, VerifiedStream>()

  function verify(signed: string, nowSeconds: number): VerifiedStream {
    if (keys.every(key => key === undefined)) throw new SubscriptionRejected('streams_key_missing')
    const [payload, digest, ...rest] = signed.split('--')
    if (!payload || !digest || rest.length > 0) throw new SubscriptionRejected('stream_signature_malformed')
    const key = DIGEST.test(digest) ? keys.findIndex(key => key?.verifies(payload, digest, 'hex')) : -1
    if (key < 0) throw new SubscriptionRejected('stream_signature_mismatch')
    return { ...open(decode(payload), { purpose, askedPurpose }, nowSeconds), key }
  }

  return (signed, nowSeconds) => {
    const remembered = known.get(signed)
    if (remembered !== undefined) return remembered
    const verified = verify(signed, nowSeconds)
    if (verified.forever) {
      if (known.size === REMEMBERED) known.delete(known.keys().next().value!)
      known.set(signed, verified)
    }
    return verified
  }
}

/**
 * Returns the name in a verified payload: the JSON string itself, or the envelope in which Rails' verifier puts a name that
 * expires or has a purpose: {"_rails":{"data":"chat/42","exp":"2026-11-23T08:00:00.000Z","pur":"…"}}, and before Rails 7.1
 * {"_rails":{"message":"<base64 of JSON>",…}}. As in Rails, the purposes must be equal, or both absent.
 */
function open(
  value: unknown,
  { purpose, askedPurpose }: Required<Omit<StreamKeys, 'secrets'>>,
  nowSeconds: number,
): Omit<VerifiedStream, 'key'> {
  const { data, message, exp, pur } = typeof value === 'string' ? ({ data: value } as Envelope) : envelope(value)
  const forever = exp === undefined || exp === null
  if (!forever) {
    const expires = typeof exp === 'string' && ISO_8601.test(exp) ? Date.parse(exp) : Number.NaN
    if (Number.isNaN(expires)) throw new SubscriptionRejected('stream_name_not_a_string')
    if (nowSeconds * 1000 >= expires) throw new SubscriptionRejected('stream_name_expired')
  }
  const isAsked = askedPurpose !== '' && pur === askedPurpose
  if (!isAsked && (pur ?? '') !== purpose) throw new SubscriptionRejected('stream_purpose_mismatch')
  const name = data === undefined && typeof message === 'string' && STANDARD.test(message) ? decode(message) : data
  if (typeof name !== 'string') throw new SubscriptionRejected('stream_name_not_a_string')
  return { stream: name, forever, isAsked }
}

type Envelope = Record<'data' | 'message' | 'exp' | 'pur', unknown>

function envelope(value: unknown): Envelope {
  const inner = typeof value === 'object' && value !== null && '_rails' in value ? value._rails : undefined
  if (typeof inner !== 'object' || inner === null) throw new SubscriptionRejected('stream_name_not_a_string')
  return inner as Envelope
}

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

function decode(payload: string): unknown {
  if (!STANDARD.test(payload) && !URL_SAFE.test(payload)) throw new SubscriptionRejected('stream_signature_malformed')
  try {
    return JSON.parse(UTF8.decode(Buffer.from(payload, 'base64')))
  } catch (cause) {
    throw new SubscriptionRejected('stream_name_not_a_string', { cause })
  }
}

// Rails signs in the standard alphabet, padded; the anycable gem in the URL-safe one, padded or not. Buffer reads both, but
// also other characters.
const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const URL_SAFE = /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?$/
const DIGEST = /^[0-9a-f]{64}$/
const UTF8 = new TextDecoder('utf-8', { fatal: true })
