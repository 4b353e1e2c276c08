/** The few primitives that make the vectors; each way to get them wrong is a parameter. */
import { createHmac } from 'node:crypto'

export const SECRET = 'qwerty'
/** The key of the guide: not ASCII, so it exposes a helper that decodes, escapes or truncates it. */
export const CYRILLIC = 's3cЯeT'
export const LONG = 'long/'.repeat(1000)

/** Texts that break encoders, by name. */
export const TEXTS: Record<string, string> = {
  empty: '',
  one_letter: 'a',
  two_letters: 'ab',
  three_letters: 'abc',
  spaces: ' two  spaces ',
  slashes: 'board/1//2\\3',
  quotes: `say "hi" and 'hi'`,
  dashes: 'a--b---c',
  markup: '<b>&amp; & "x"</b>',
  controls: '\u0000\u0001\b\t\n\u000b\f\r\u001b\u001f',
  delete_and_c1: '\u007f\u0080\u009f',
  latin: 'café Zoë Ñandú',
  decomposed: 'cafe\u0301',
  cyrillic_and_japanese: 'привет 日本語',
  emoji: '🦄👩‍👩‍👧🇺🇦',
  line_separators: 'a\u2028b\u2029c',
  byte_order_mark: '\ufeffa\ufeff',
  noncharacter: '\uffff',
  looks_like_json: '{"a":[1,null]}',
  looks_like_a_number: '42',
  looks_like_null: 'null',
  escapes_that_are_text: '\\u0041\\n\\/',
  url_characters: 'a>?~b??&c=%2F+d#e',
  very_long: LONG,
}

export type Bytes = string | Buffer

export const base64 = (bytes: Bytes): string => Buffer.from(bytes as string).toString('base64')
export const base64url = (bytes: Bytes): string => Buffer.from(bytes as string).toString('base64url')

export const hmac = (key: Bytes, text: Bytes, digest = 'sha256'): Buffer =>
  createHmac(digest, key).update(text).digest()
export const hex = (key: Bytes, text: Bytes, digest = 'sha256'): string => hmac(key, text, digest).toString('hex')

/** `<payload>--<digest>`, for a payload that is base64 already. */
export const seal = (payload: string, key: Bytes = SECRET): string => `${payload}--${hex(key, payload)}`
/** A signed name; its JSON is spelled as given. */
export const sealJson = (json: Bytes, key: Bytes = SECRET): string => seal(base64(json), key)

const DIGESTS = new Map([
  ['HS256', 'sha256'],
  ['HS384', 'sha384'],
  ['HS512', 'sha512'],
])

/** A token of two segments, signed as its header says (SHA-256 when it says nothing known), or with `digest`. */
export function jwt(
  header: string,
  claims: string,
  key: Bytes = SECRET,
  digest = DIGESTS.get(algorithm(header)),
): string {
  const unsigned = `${header}.${claims}`
  return `${unsigned}.${base64url(hmac(key, unsigned, digest ?? 'sha256'))}`
}

function algorithm(header: string): string {
  try {
    return String(JSON.parse(Buffer.from(header, 'base64url').toString()).alg)
  } catch {
    return ''
  }
}
