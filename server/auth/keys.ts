/**
 * Keys: how they derive from one secret, and how a presented one is compared.
 *
 *   broadcast key = hex HMAC-SHA256(secret, "broadcast-cable")                              the phrases are AnyCable's
 *   Turbo's key   = PBKDF2(secret_key_base, "turbo/signed_stream_verifier_key"), 64 bytes    …and Rails'
 *
 * Secrets are the UTF-8 bytes of the setting, never decoded. Pure.
 */
import { createHmac, hash, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** Text, of which the UTF-8 bytes count, or bytes. */
export type Secret = string | Buffer

/** `phrase` names the purpose: `broadcast-cable`. Hex, 64 characters. */
export const deriveKey = (secret: string, phrase: string): string =>
  createHmac('sha256', secret).update(phrase).digest('hex')

/**
 * The keys that Turbo in a Rails application verifies names with when it is given none: of today's defaults, and of those before
 * Rails 7.0, which upgraded applications may keep. 1000 iterations are Rails' choice for keys: secret_key_base is random.
 */
export const railsTurboKeys = (secretKeyBase: string): Buffer[] =>
  ['sha256', 'sha1'].map(digest => pbkdf2Sync(secretKeyBase, 'turbo/signed_stream_verifier_key', 1000, 64, digest))

/**
 * Which of the keys an `Authorization` header, as Node hands it over, carries as `Bearer <key>`; -1 for none. All are
 * compared, in time that depends on neither side.
 */
export function bearerKeys(keys: readonly string[]): (header: string | undefined) => number {
  const expected = keys.map(key => digest(`Bearer ${key}`))
  return header => {
    if (header === undefined) return -1
    // Node reads the bytes of a header as Latin-1; keys are UTF-8.
    const given = digest(Buffer.from(header, 'latin1'))
    return expected.reduce((found, key, at) => (timingSafeEqual(given, key) && found < 0 ? at : found), -1)
  }
}

// Comparing digests makes the lengths equal, so that not even the key's length shows.
const digest = (bytes: string | Buffer) => hash('sha256', bytes, 'buffer')
