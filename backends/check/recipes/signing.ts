/** The parts of a signature: bytes, base64, a key, a digest; each the right way first, then the wrong ways. */
import { createHash, createHmac } from 'node:crypto'
import type { Way } from './recipe.ts'

type Hash = 'sha256' | 'sha1' | 'sha512' | 'sha384' | 'md5'
type Mac = (key: Buffer, data: Buffer) => Buffer

const hmac =
  (hash: Hash): Mac =>
  (key, data) =>
    createHmac(hash, key).update(data).digest()
const hashed = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest()
const standard = (bytes: Buffer): string => bytes.toString('base64')
const urlSafe = (bytes: Buffer): string => standard(bytes).replaceAll('+', '-').replaceAll('/', '_')
const lines = (length: number, end: string) => (bytes: Buffer) =>
  standard(bytes).replace(new RegExp(`.{1,${length}}`, 'g'), line => `${line}${end}`)
/** Throws when the text is not hex. */
const unhex = (text: string): Buffer => {
  if (!/^([0-9a-f]{2})+$/i.test(text)) throw new TypeError('not hex')
  return Buffer.from(text, 'hex')
}

export const BYTES: readonly Way<(text: string) => Buffer>[] = [
  { says: '', do: text => Buffer.from(text) },
  { says: 'your JSON is Latin-1 bytes, not UTF-8', do: text => Buffer.from(text, 'latin1') },
  { says: 'your JSON is UTF-16 bytes, not UTF-8', do: text => Buffer.from(text, 'utf16le') },
  { says: 'your text is normalized (NFC): leave it as it is', do: text => Buffer.from(text.normalize('NFC')) },
  { says: 'your JSON has ? for all that is not ASCII', do: text => Buffer.from(text.replace(/[^\0-\x7f]/gu, '?')) },
]

export const BASE64: readonly Way<(bytes: Buffer) => string>[] = [
  { says: '', do: standard },
  { says: 'your base64 has no padding', do: bytes => standard(bytes).replaceAll('=', '') },
  { says: 'your base64 is URL-safe (- and _): use the standard alphabet (+ and /)', do: urlSafe },
  {
    says: 'your base64 is URL-safe and has no padding: use the standard alphabet, padded',
    do: bytes => bytes.toString('base64url'),
  },
  { says: 'your base64 has line breaks, after 60 characters and at the end (Ruby: pack("m0"))', do: lines(60, '\n') },
  { says: 'your base64 has line breaks, after 76 characters and at the end', do: lines(76, '\n') },
  { says: 'your base64 has line breaks, after 76 characters and at the end, with \\r', do: lines(76, '\r\n') },
  { says: 'your base64 ends with a newline', do: bytes => `${standard(bytes)}\n` },
  { says: 'your base64 has line breaks, after 76 characters', do: bytes => lines(76, '\n')(bytes).trimEnd() },
  { says: 'your base64 has line breaks, after 64 characters', do: bytes => lines(64, '\n')(bytes).trimEnd() },
  { says: 'you wrote the JSON itself, not the base64 of it', do: bytes => bytes.toString() },
  { says: 'you wrote hex, not base64', do: bytes => bytes.toString('hex') },
  { says: 'your base64 is percent-encoded', do: bytes => encodeURIComponent(standard(bytes)) },
  { says: 'you wrote base64 twice', do: bytes => standard(Buffer.from(standard(bytes))) },
]

export const KEYS: readonly Way<(secret: string) => Buffer>[] = [
  { says: '', do: secret => Buffer.from(secret) },
  { says: 'your key bytes are Latin-1, not UTF-8', do: secret => Buffer.from(secret, 'latin1') },
  { says: 'your key bytes are UTF-16, not UTF-8', do: secret => Buffer.from(secret, 'utf16le') },
  {
    says: 'your key bytes are ASCII, with ? for all else, not UTF-8',
    do: secret => Buffer.from(secret.replace(/[^\0-\x7f]/gu, '?')),
  },
  {
    says: 'your key bytes are ASCII, with ?? for an emoji, not UTF-8',
    do: secret => Buffer.from(secret.replace(/[^\0-\x7f]/g, '?')),
  },
  {
    says: 'your key bytes are ASCII, without all else, not UTF-8',
    do: s => Buffer.from(s.replace(/[^\0-\x7f]/g, '')),
  },
  { says: 'your key is trimmed: a space is part of it', do: secret => Buffer.from(secret.trim()) },
  {
    says: 'your key is decoded from hex when it looks like hex: use it as text',
    do: secret => (/^([0-9a-f]{2})+$/i.test(secret) ? unhex(secret) : Buffer.from(secret)),
  },
  { says: 'your key is decoded from hex: use it as text', do: unhex },
  { says: 'your key is decoded from base64: use it as text', do: secret => Buffer.from(secret, 'base64') },
  { says: 'your key has a newline at its end', do: secret => Buffer.from(`${secret}\n`) },
  { says: 'your key is the SHA-256 of the secret', do: secret => hashed(Buffer.from(secret)) },
  {
    says: 'your key is the SHA-256 of the secret, in hex',
    do: s => Buffer.from(hashed(Buffer.from(s)).toString('hex')),
  },
  { says: 'your key is cut after 64 bytes', do: secret => Buffer.from(secret).subarray(0, 64) },
  { says: 'your key is cut after 32 bytes', do: secret => Buffer.from(secret).subarray(0, 32) },
  { says: 'your key is in upper case', do: secret => Buffer.from(secret.toUpperCase()) },
  { says: 'your key is empty', do: () => Buffer.alloc(0) },
  {
    says: 'your key is the broadcast key: streams and tokens are signed with the secret itself',
    do: secret => Buffer.from(hmac('sha256')(Buffer.from(secret), Buffer.from('broadcast-cable')).toString('hex')),
  },
]

export const MACS: readonly Way<Mac>[] = [
  { says: '', do: hmac('sha256') },
  { says: 'your digest is SHA-1, not SHA-256', do: hmac('sha1') },
  { says: 'your digest is SHA-512, not SHA-256', do: hmac('sha512') },
  { says: 'your digest is SHA-384, not SHA-256', do: hmac('sha384') },
  { says: 'your digest is MD5, not SHA-256', do: hmac('md5') },
  { says: 'your HMAC has key and message the wrong way round', do: (key, data) => hmac('sha256')(data, key) },
  { says: 'your digest is a hash of secret and message, not an HMAC', do: (key, data) => hashed(key, data) },
  { says: 'your digest is a hash of message and secret, not an HMAC', do: (key, data) => hashed(data, key) },
  { says: 'your digest is a hash of the message, without the secret', do: (_, data) => hashed(data) },
]

/** For signed names and keys. */
export const HEX: readonly Way<(digest: Buffer) => string>[] = [
  { says: '', do: digest => digest.toString('hex') },
  { says: 'the digest is upper case', do: digest => digest.toString('hex').toUpperCase() },
  { says: 'the digest is base64, not hex', do: standard },
  { says: 'the digest is base64url, not hex', do: digest => digest.toString('base64url') },
  { says: 'the digest is hex of its hex', do: digest => Buffer.from(digest.toString('hex')).toString('hex') },
  { says: 'the digest is cut to its first half', do: digest => digest.toString('hex').slice(0, digest.length) },
  { says: 'the digest ends with a newline', do: digest => `${digest.toString('hex')}\n` },
]

/** For tokens. */
export const BASE64URL: readonly Way<(bytes: Buffer) => string>[] = [
  { says: '', do: bytes => bytes.toString('base64url') },
  { says: 'your token has padding: base64url has no =', do: urlSafe },
  {
    says: 'your token is in the standard alphabet of base64 (+ and /): use the URL-safe one (- and _)',
    do: bytes => standard(bytes).replaceAll('=', ''),
  },
  { says: 'your token is in standard base64, with padding: use base64url, without padding', do: standard },
]
