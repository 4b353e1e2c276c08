/**
 * Keys: how we derive them from one secret, and compare a key that a client presents.
 *
 *   broadcast key = hex HMAC-SHA256(secret, "broadcast-cable")                              the phrases are AnyCable's
 *   Turbo's key   = PBKDF2(secret_key_base, "turbo/signed_stream_verifier_key"), 64 bytes    …and Rails'
 *
 * A secret is the UTF-8 bytes of its setting; we never decode them. Pure.
 */
import { createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'

/** Bytes, or a text that stands for its UTF-8 bytes. */
export type Secret = string | Buffer

/** What each key that derives from the secret is for, and its phrase. */
export const PHRASES = {
  broadcast: 'broadcast-cable',
  api: 'api-cable',
  subscribe: 'subscribe-cable',
  rpc: 'rpc-cable',
} as const

export type Purpose = keyof typeof PHRASES

/** Hex, 64 characters. */
export const deriveKey = (secret: string, purpose: Purpose): string =>
  createHmac('sha256', secret).update(PHRASES[purpose]).digest('hex')

/**
 * The keys with which Turbo verifies names in a Rails application that sets no key: one for today's defaults, and one for
 * those before Rails 7.0, which an upgraded application may keep. Rails chose 1000 iterations, as secret_key_base is random.
 */
export const railsTurboKeys = (secretKeyBase: string): Buffer[] =>
  ['sha256', 'sha1'].map(digest => pbkdf2Sync(secretKeyBase, 'turbo/signed_stream_verifier_key', 1000, 64, digest))

/** Bytes of an `Authorization` header that we compare: the time to compare must not show how long a usual key is. */
const ROOM = 512

/**
 * Returns the index of the key that an `Authorization` header carries as `Bearer <key>`, or -1. `header` is as Node gives
 * it. We compare every key, in time that depends on neither side.
 */
export function bearerKeys(keys: readonly string[]): (header: string | undefined) => number {
  // Node reads the bytes of a header as Latin-1; keys are UTF-8.
  const expected = keys.map(key => Buffer.from(`Bearer ${key}`).toString('latin1'))
  const room = Math.max(ROOM, ...expected.map(({ length }) => length))
  const slots = expected.map(header => fill(Buffer.alloc(room + 4), header))
  const given = Buffer.alloc(room + 4)
  return header => {
    if (header === undefined || header.length > room) return -1
    fill(given, header)
    return slots.reduce((found, slot, at) => (timingSafeEqual(given, slot) && found < 0 ? at : found), -1)
  }
}

/** Writes the header and its length, and zeros between them. */
function fill(slot: Buffer, header: string): Buffer {
  slot.fill(0, slot.write(header, 'latin1'))
  slot.writeUInt32LE(header.length, slot.length - 4)
  return slot
}
