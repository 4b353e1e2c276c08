/**
 * Signed stream names: proof that a backend allowed this client to listen.
 *
 *   stream  chat/42
 *   signed  ImNoYXQvNDIi--<hex HMAC-SHA256 of everything before the dashes>
 *
 * This is Rails' MessageVerifier with a JSON serializer, so any backend can sign what we verify. Languages disagree on
 * the JSON inside (PHP writes "chat\/42", Python escapes "é"), so the signature is checked over the bytes we were
 * handed, and they are decoded afterwards. Re-signing and comparing would refuse honest backends.
 *
 * Pure: no I/O, no clock. Vectors: backends/vectors/signed-streams.json
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { SubscriptionRejected } from '../errors.ts'

/**
 * The stream that a signed name grants. Throws {@link SubscriptionRejected}.
 * An empty key is a missing one: HMAC would accept it, and anybody can sign with nothing.
 */
export function verifyStream(signed: string, key: string): string {
  if (key === '') throw new SubscriptionRejected('streams_key_missing')
  const [payload, digest, ...rest] = signed.split('--')
  if (!payload || !digest || rest.length > 0) throw new SubscriptionRejected('stream_signature_malformed')
  const expected = createHmac('sha256', key).update(payload).digest('hex')
  if (!sameText(digest, expected)) throw new SubscriptionRejected('stream_signature_mismatch')
  const name = decode(payload)
  if (typeof name !== 'string') throw new SubscriptionRejected('stream_name_not_a_string')
  return name
}

function decode(payload: string): unknown {
  if (!STANDARD.test(payload) && !URL_SAFE.test(payload)) throw new SubscriptionRejected('stream_signature_malformed')
  try {
    return JSON.parse(UTF8.decode(Buffer.from(payload, 'base64')))
  } catch (cause) {
    throw new SubscriptionRejected('stream_name_not_a_string', { cause })
  }
}

// Rails signs in the standard alphabet, padded; the anycable gem in the URL-safe one, padded or not. Buffer reads both, and
// too much besides.
const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const URL_SAFE = /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?$/
const UTF8 = new TextDecoder('utf-8', { fatal: true })

function sameText(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}
