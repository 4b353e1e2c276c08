/** Random names: session ids, epochs and nonces. */
import { randomFillSync, randomInt } from 'node:crypto'

const random = Buffer.alloc(4096)
let used = random.length

/** Returns 128 random bits. We ask the system for many at a time. */
export function newSid(): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  used += 16
  return random.toString('base64url', used - 16, used)
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Returns so many random letters and digits. */
export const randomLetters = (count: number): string =>
  Array.from({ length: count }, () => LETTERS[randomInt(LETTERS.length)]).join('')
