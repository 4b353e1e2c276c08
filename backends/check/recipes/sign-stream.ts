/** Signed stream names. */
import { type Choice, recipe, type Steps, ways } from './recipe.ts'
import { BASE64, BYTES, HEX, KEYS, MACS } from './signing.ts'
import { SPELLINGS } from './spelling.ts'

export interface Names {
  stream: string
  secret: string
  expires_in?: number
  now?: number
  /** The time of the answer, in Unix seconds. */
  clock: number
}
const iso = (seconds: number): string => new Date(seconds * 1000).toISOString()
const withoutMs = (text: string): string => text.replace('.000', '')

export const SIGNING = {
  name: ways(({ stream, expires_in: lasts, now = 0 }: Names): unknown => envelope(stream, lasts, lasts! + now), {
    'you ignored expires_in': ({ stream }) => stream,
    'you ignored an expires_in of 0: zero seconds count': ({ stream, expires_in: lasts, now = 0 }) =>
      envelope(stream, lasts || undefined, lasts! + now),
    'exp is without its .000': ({ stream, expires_in: lasts, now = 0 }) =>
      lasts === undefined ? stream : { _rails: { data: stream, exp: withoutMs(iso(now + lasts)) } },
    'exp is a number: it is text, in ISO 8601': ({ stream, expires_in: lasts, now = 0 }) =>
      lasts === undefined ? stream : { _rails: { data: stream, exp: now + lasts } },
    'exp is computed from the clock: compute it from now': ({ stream, expires_in: lasts, clock }) =>
      envelope(stream, lasts, lasts! + clock),
    'exp is the same as now: add expires_in': ({ stream, expires_in: lasts, now }) => envelope(stream, lasts, now!),
    'exp is expires_in: add it to now': ({ stream, expires_in: lasts }) => envelope(stream, lasts, lasts!),
    'the envelope is the one of Rails before 7.1 (message): use data': ({ stream, expires_in: lasts, now = 0 }) =>
      lasts === undefined ? stream : { _rails: { message: btoa(JSON.stringify(stream)), exp: iso(now + lasts) } },
    'the envelope has a purpose, as null: leave pur out': ({ stream, expires_in: lasts, now = 0 }) =>
      lasts === undefined ? stream : { _rails: { data: stream, exp: iso(now + lasts), pur: null } },
    'the envelope has exp before data': ({ stream, expires_in: lasts, now = 0 }) =>
      lasts === undefined ? stream : { _rails: { exp: iso(now + lasts), data: stream } },
  }),
  json: [
    ...SPELLINGS,
    {
      says: 'you signed the name, not the JSON of it',
      do: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
    },
  ],
  bytes: BYTES,
  base64: BASE64,
  signed: ways((encoded: string, _json: Buffer, _stream: string) => Buffer.from(encoded), {
    'you signed the JSON, not the base64 of it': (_, json) => json,
    'you signed the name, not the base64 of its JSON': (_, __, stream) => Buffer.from(stream),
    'you signed the base64 and the dashes: the dashes are not signed': encoded => Buffer.from(`${encoded}--`),
    'you signed the base64 without its padding': encoded => Buffer.from(encoded.replaceAll('=', '')),
  }),
  key: KEYS,
  mac: MACS,
  digest: HEX,
  joined: ways((encoded: string, digest: string) => `${encoded}--${digest}`, {
    'there is - between base64 and digest: use --': (encoded, digest) => `${encoded}-${digest}`,
    'there is . between base64 and digest: use --': (encoded, digest) => `${encoded}.${digest}`,
    'there is : between base64 and digest: use --': (encoded, digest) => `${encoded}:${digest}`,
    'there is a dash in print between base64 and digest: use --': (encoded, digest) => `${encoded}–${digest}`,
    'there is nothing between base64 and digest: use --': (encoded, digest) => `${encoded}${digest}`,
    'digest and base64 are the wrong way round': (encoded, digest) => `${digest}--${encoded}`,
    'the digest is missing': encoded => encoded,
    'the base64 is missing': (_, digest) => digest,
  }),
} satisfies Steps

export function sign(how: Choice<typeof SIGNING>, question: Names): string {
  const json = how.bytes(how.json(how.name(question)))
  const encoded = how.base64(json)
  const mac = how.mac(how.key(question.secret), how.signed(encoded, json, question.stream))
  return how.joined(encoded, how.digest(mac))
}

function envelope(data: string, lasts: number | undefined, exp: number): unknown {
  return lasts === undefined ? data : { _rails: { data, exp: iso(exp) } }
}

export const signStream = recipe(SIGNING, sign)
