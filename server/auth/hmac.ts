/**
 * HMAC (RFC 2104) for very many short texts under a few keys: a herd of clients brings those.
 *
 *   HMAC(key, text) = hash(key ⊕ 5c5c… | hash(key ⊕ 3636… | text))
 *
 * We call a one-shot hash twice and reuse the same bytes. createHmac makes new objects and ArrayBuffers for each call, and
 * takes three times as long. A test checks that both return the same.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import type { Secret } from './keys.ts'

export type Digest = 'sha256' | 'sha384' | 'sha512'

/** Bytes: the size of a block, and of the result. */
const SIZES = { sha256: [64, 32], sha384: [128, 48], sha512: [128, 64] } as const

/** Bytes of the longest text that we have room for. A longer one goes through createHmac. */
const ROOM = 16 * 1024

export class Hmac {
  readonly #digest: Digest
  readonly #secret: Secret
  readonly #block: number
  /** Inner: the key, and room for the text. Outer: the key, and room for the inner hash. */
  readonly #inner: Buffer
  readonly #outer: Buffer
  readonly #expected: Buffer
  /** One byte longer than a signature, so that we notice one that is too long. */
  readonly #given: Buffer
  readonly #compared: Buffer

  constructor(digest: Digest, secret: Secret) {
    const [block, size] = SIZES[digest]
    const bytes = Buffer.from(secret as string)
    const key = bytes.length > block ? hash(digest, bytes, 'buffer') : bytes
    this.#digest = digest
    this.#secret = secret
    this.#block = block
    this.#inner = Buffer.alloc(block + ROOM)
    this.#outer = Buffer.alloc(block + size)
    for (let at = 0; at < block; at++) {
      this.#inner[at] = 0x36 ^ (key[at] ?? 0)
      this.#outer[at] = 0x5c ^ (key[at] ?? 0)
    }
    this.#expected = Buffer.alloc(size)
    this.#given = Buffer.alloc(size + 1)
    this.#compared = this.#given.subarray(0, size)
  }

  /** Whether `signature` signs the UTF-8 of `text`. The time does not show where a wrong signature differs. */
  verifies(text: string, signature: string, encoding: 'hex' | 'base64url'): boolean {
    if (this.#given.write(signature, encoding) !== this.#expected.length) return false
    this.#expected.write(this.#of(text), 'latin1')
    return timingSafeEqual(this.#compared, this.#expected)
  }

  /** Returns one character for each byte. */
  #of(text: string): string {
    if (3 * text.length > ROOM) return createHmac(this.#digest, this.#secret).update(text).digest('binary')
    const end = this.#block + this.#inner.write(text, this.#block)
    this.#outer.write(hash(this.#digest, this.#inner.subarray(0, end), 'binary'), this.#block, 'latin1')
    return hash(this.#digest, this.#outer, 'binary')
  }
}
