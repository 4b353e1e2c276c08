/**
 * Tokens and signed names, as a backend makes them; written again on purpose, from the reference's rules.
 */
import { createHmac } from 'node:crypto'

export const SECRET = 'canary-conformance'

export const hmac = (secret: string, text: string, digest = 'sha256') => createHmac(digest, secret).update(text)

/** AnyCable's derived keys: broadcast-cable, api-cable. */
export const derived = (phrase: string, secret: string = SECRET): string => hmac(secret, phrase).digest('hex')

/** Signs any JSON as a stream name. */
export function sign(name: unknown, secret: string = SECRET, alphabet: 'base64' | 'base64url' = 'base64'): string {
  return signText(Buffer.from(JSON.stringify(name)).toString(alphabet), secret)
}

export const signText = (text: string, secret: string = SECRET): string =>
  `${text}--${hmac(secret, text).digest('hex')}`

export const turbo = (stream: string, extra: object = {}): string =>
  JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign(stream), ...extra })

export const pubsub = (stream: string, extra: object = {}): string =>
  JSON.stringify({ channel: '$pubsub', signed_stream_name: sign(stream), ...extra })

export const cableReady = (stream: string): string =>
  JSON.stringify({ channel: 'CableReady::Stream', identifier: sign(stream) })

export const open = (stream: string): string => JSON.stringify({ channel: '$pubsub', stream_name: stream })

export function jwt(claims: unknown, { secret = SECRET, header = { alg: 'HS256' } as object, padded = false } = {}) {
  const { alg } = header as { alg?: string }
  const part = (value: unknown) => {
    const text = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
    return padded ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text
  }
  const text = `${part(header)}.${part(claims)}`
  const digest = alg === 'HS384' || alg === 'HS512' ? alg.replace('HS', 'sha') : 'sha256'
  return `${text}.${hmac(secret, text, digest).digest('base64url')}`
}

export const now = (): number => Math.floor(Date.now() / 1000)
