/**
 * Signs stream names. Unlike the helpers, it can add a purpose.
 *
 *   "board/1"                                        without purpose and expiry
 *   {"_rails":{"data":"board/1","exp":…,"pur":…}}    Rails' envelope, with either
 *
 * Pure. A test compares the names with the helper's.
 */
import { createHmac } from 'node:crypto'
import type { Secret } from '../server/auth/keys.ts'

export interface SignOptions {
  /** Empty: none. */
  readonly purpose?: string
  /** Unix time in ms; `undefined`: never. */
  readonly expires?: number | undefined
}

/** Returns the signed name. */
export function sign(stream: string, secret: Secret, { purpose = '', expires }: SignOptions = {}): string {
  const exp = expires === undefined ? {} : { exp: new Date(expires).toISOString() }
  const envelope = { _rails: { data: stream, ...exp, ...(purpose && { pur: purpose }) } }
  const payload = expires === undefined && purpose === '' ? stream : envelope
  const encoded = Buffer.from(JSON.stringify(payload)).toString('base64')
  return `${encoded}--${createHmac('sha256', secret).update(encoded).digest('hex')}`
}
