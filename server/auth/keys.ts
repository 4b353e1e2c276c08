/**
 * Keys: how they derive from one secret, and how a presented one is compared.
 *
 *   broadcast key = hex HMAC-SHA256(secret, "broadcast-cable")        the phrases are AnyCable's
 *
 * Secrets are the UTF-8 bytes of the setting, never decoded. Pure.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** `phrase` names the purpose: `broadcast-cable`. Hex, 64 characters. */
export const deriveKey = (secret: string, phrase: string): string =>
  createHmac('sha256', secret).update(phrase).digest('hex')

/** Whether an `Authorization` header, as Node hands it over, is exactly `Bearer <key>`, in time that depends on neither. */
export const bearerMatches = (header: string | undefined, key: string): boolean =>
  // Node reads the bytes of a header as Latin-1; keys are UTF-8.
  header !== undefined && timingSafeEqual(digest(Buffer.from(header, 'latin1')), digest(`Bearer ${key}`))

// Comparing digests makes the lengths equal, so that not even the key's length shows.
const digest = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest()
