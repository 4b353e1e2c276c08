/** Signed stream names: the proof that a client may listen to a stream. */
import { createHash } from 'node:crypto'
import { envelopes } from './envelopes.ts'
import { base64, base64url, CYRILLIC, hex, hmac, LONG, SECRET, seal, sealJson, TEXTS } from './sign.ts'

/** Flag → the cable's code, and the fault. */
const FLAGS = {
  missing: ['stream_name_missing', 'No name at all.'],
  separator: ['stream_signature_malformed', 'Not two parts with -- between them.'],
  base64: ['stream_signature_malformed', 'The first part is not base64, though its digest is right.'],
  padding: [
    'stream_signature_malformed',
    'The standard alphabet is padded to fours; only the URL-safe one may go without.',
  ],
  digest: ['stream_signature_mismatch', 'The digest is not lower-case hex HMAC-SHA256 over the base64 text.'],
  wrong_key: ['stream_signature_mismatch', 'Signed with another key than the secret.'],
  tampered: ['stream_signature_mismatch', 'An unsigned name, with the digest of another one.'],
  not_a_string: ['stream_name_not_a_string', 'The signature is good, but the JSON is not a string.'],
  not_json: [
    'stream_name_not_a_string',
    'The signature is good, but the content is not JSON: the backend did not encode the name as JSON.',
  ],
  not_utf8: [
    'stream_name_not_a_string',
    'The signature is good, but the JSON is not UTF-8. Otherwise two names that decode to the same text would be one stream.',
  ],
} as const

const NOTES = {
  reference: 'Made by another implementation: a vector of the reference.',
  foreign_json: 'JSON as other languages spell it: the signature covers the bytes, so any spelling is good.',
  url_safe:
    'The URL-safe alphabet, padded or not, as the anycable gem has it. A name without any of -_+/ and without padding could be either, and is accepted as URL-safe.',
}

const sign = (id: string, stream: string, secret = SECRET) => ({
  id,
  ...(secret !== SECRET && { secret }),
  stream,
  signed: sealJson(JSON.stringify(stream), secret),
})
const accept = (id: string, flag: keyof typeof NOTES, stream: string, signed: string) => ({ id, flag, stream, signed })
const refuse = (id: string, flag: keyof typeof FLAGS, signed: string, secret = SECRET) => ({
  id,
  flag,
  code: FLAGS[flag][0],
  ...(secret !== SECRET && { secret }),
  signed,
})

const STREAM = 'chat:2021'
const payload = base64(JSON.stringify(STREAM))
const digest = hex(SECRET, payload)
const honest = `${payload}--${digest}`
/** The base64 of one name needs + and /; the URL-safe base64 of the other has two dashes in a row. */
const SLASHED = 'a>?~b??'
const DASHED = 'ﾾﾾ'
const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')

export const signedStreams = {
  about:
    'Signed stream names. sign: sign_stream(stream, expires_in, now) must be these bytes, and the cable reads stream from them. accept: the cable reads ' +
    'stream. refuse: the cable answers code, and flag says what kind of bug it catches; one with expires_in is also what sign_stream must write. A case ' +
    'may have another secret; now is the time in Unix seconds; purpose is the purpose that the cable expects of names, absent for none.',
  secret: SECRET,
  notes: {
    ...NOTES,
    ...Object.fromEntries(Object.entries(FLAGS).map(([flag, [, note]]) => [flag, note])),
    ...envelopes.notes,
  },
  sign: [
    sign('a name', STREAM),
    sign('the name of the Board', 'board/1'),
    sign('a GlobalID', 'Z2lkOi8vYXBwL0JvYXJkLzE:messages'),
    sign('both characters that the alphabets spell differently', SLASHED),
    ...Object.entries(TEXTS).map(([id, text]) => sign(`text: ${id}`, text)),
    sign("the reference's own key", STREAM, 's3Krit'),
    sign('a secret that is not ASCII', STREAM, CYRILLIC),
    sign('an emoji as the secret', 'é', '🔑'),
    sign('a space as the secret', STREAM, ' '),
    sign('a secret that looks like hex', STREAM, '00ff'),
    sign('a secret longer than a block of SHA-256', STREAM, 'k'.repeat(65)),
    sign('a very long secret', STREAM, LONG),
    ...envelopes.sign,
  ],
  accept: [
    accept(
      'the reference',
      'reference',
      STREAM,
      'ImNoYXQ6MjAyMSI=--03c7b84f65295e2820d4f6c2e42cb792081b01ef586b56319385000766cd9c24',
    ),
    accept(
      'the reference with a GlobalID',
      'reference',
      'Z2lkOi8vYXBwL0JvYXJkLzE:messages',
      'IloybGtPaTh2WVhCd0wwSnZZWEprTHpFOm1lc3NhZ2VzIg==--6a133652696fded072a9eb5213ab0c30c73ea179f93c58acde44d5a978543763',
    ),
    accept(
      'the reference with + and /',
      'reference',
      SLASHED,
      'ImE+P35iPz8i--6f7672684aae97d2f4a8aa73ad543f301e67a07c8592075d73e7cb7000617f1a',
    ),
    accept(
      'the reference, URL-safe',
      'reference',
      SLASHED,
      'ImE-P35iPz8i--bf542ee820e0a3562b4fa7628bac686269bcc760ffca780a7d71b7ab8ab275ff',
    ),
    accept("PHP's slashes", 'foreign_json', 'chat/42', sealJson('"chat\\/42"')),
    accept("PHP's and Python's escapes", 'foreign_json', 'café', sealJson('"caf\\u00e9"')),
    accept('escapes in upper case', 'foreign_json', 'café', sealJson('"caf\\u00E9"')),
    accept('escaped surrogates', 'foreign_json', '🦄', sealJson('"\\ud83e\\udd84"')),
    accept("Rails' escapes", 'foreign_json', '<b>&\u2028', sealJson('"\\u003cb\\u003e\\u0026\\u2028"')),
    accept('ASCII letters, escaped without need', 'foreign_json', 'chat', sealJson('"\\u0063hat"')),
    accept('long escapes for short ones', 'foreign_json', 'a\nb\t', sealJson('"a\\u000ab\\u0009"')),
    accept('raw DEL', 'foreign_json', '\u007f', sealJson('"\u007f"')),
    accept('white space around', 'foreign_json', 'chat', sealJson(' \t"chat"\r\n')),
    accept('a newline after, as jq and echo add', 'foreign_json', 'chat', sealJson('"chat"\n')),
    accept('URL-safe with padding', 'url_safe', `${SLASHED}!`, seal(urlSafe(base64(`"${SLASHED}!"`)))),
    accept('URL-safe without padding', 'url_safe', `${SLASHED}!`, seal(base64url(`"${SLASHED}!"`))),
    accept('either alphabet, without padding', 'url_safe', STREAM, seal(payload.replaceAll('=', ''))),
    accept('either alphabet, two short of padding', 'url_safe', 'ab', seal(base64url('"ab"'))),
    accept('URL-safe, not ASCII', 'url_safe', 'привет?', seal(base64url('"привет?"'))),
    ...envelopes.accept,
  ],
  refuse: [
    refuse('nothing', 'missing', ''),
    refuse('the name itself', 'separator', STREAM),
    refuse('only the separator', 'separator', '--'),
    refuse('no digest', 'separator', `${payload}--`),
    refuse('no separator and no digest', 'separator', payload),
    refuse('no payload', 'separator', seal('')),
    refuse('one dash', 'separator', `${payload}-${digest}`),
    refuse('a dash in print', 'separator', `${payload}–${digest}`),
    refuse('two separators', 'separator', `${honest}--${digest}`),
    refuse('a separator after', 'separator', `${honest}--`),
    refuse('a separator before', 'separator', `--${honest}`),
    refuse('URL-safe base64 with two dashes in a row', 'separator', seal(base64url(`"${DASHED}"`))),
    refuse('a JWT', 'separator', 'eyJhbGciOiJIUzI1NiJ9.e30.x'),
    refuse('not base64', 'base64', seal('"chat:2021"')),
    refuse('percent-encoded', 'base64', seal(encodeURIComponent(payload))),
    refuse('lines of 60, as pack("m") has', 'base64', seal(base64(`"${'a'.repeat(60)}"`).replace(/.{60}/g, '$&\n'))),
    refuse('a newline at the end', 'base64', seal(`${payload}\n`)),
    refuse('a space within', 'base64', seal(`${payload.slice(0, 4)} ${payload.slice(4)}`)),
    refuse('both alphabets at once', 'base64', seal('ImE+P35iPz8_Ig==')),
    refuse('padding in the middle', 'base64', seal(`${payload}ImNo`)),
    refuse('the standard alphabet without padding', 'padding', seal(base64(`"${SLASHED}!"`).replaceAll('=', ''))),
    refuse('half of the padding', 'padding', seal(base64('"ab"').replace('==', '='))),
    refuse('too much padding', 'padding', seal(`${payload}=`)),
    refuse('padding where none is due', 'padding', seal(`${base64('"a"')}==`)),
    refuse('a digest in upper case', 'digest', `${payload}--${digest.toUpperCase()}`),
    refuse('a digest in base64', 'digest', `${payload}--${hmac(SECRET, payload).toString('base64')}`),
    refuse('a digest over the JSON', 'digest', `${payload}--${hex(SECRET, JSON.stringify(STREAM))}`),
    refuse('a digest over the name', 'digest', `${payload}--${hex(SECRET, STREAM)}`),
    refuse('a digest of SHA-1', 'digest', `${payload}--${hex(SECRET, payload, 'sha1')}`),
    refuse('a digest of SHA-512', 'digest', `${payload}--${hex(SECRET, payload, 'sha512')}`),
    refuse('a hash without a key', 'digest', `${payload}--${createHash('sha256').update(payload).digest('hex')}`),
    refuse(
      'a hash of secret and payload, without HMAC',
      'digest',
      `${payload}--${createHash('sha256')
        .update(SECRET + payload)
        .digest('hex')}`,
    ),
    refuse('a digest cut short', 'digest', honest.slice(0, -1)),
    refuse('the first half of the digest', 'digest', honest.slice(0, -32)),
    refuse('a digest with one more digit', 'digest', `${honest}0`),
    refuse('a digest with a newline', 'digest', `${honest}\n`),
    refuse('a digest that is not hex', 'digest', `${payload}--${'z'.repeat(64)}`),
    refuse('a digest of look-alikes', 'digest', `${payload}--${digest.replaceAll('c', 'с')}`),
    refuse('another key', 'wrong_key', seal(payload, 'qwertz')),
    refuse('an empty key', 'wrong_key', seal(payload, '')),
    refuse('the key and a newline', 'wrong_key', seal(payload, `${SECRET}\n`)),
    refuse('the key in upper case', 'wrong_key', seal(payload, SECRET.toUpperCase())),
    refuse('the key decoded from base64', 'wrong_key', seal(payload, Buffer.from(SECRET, 'base64'))),
    refuse('the key decoded from hex', 'wrong_key', seal(payload, Buffer.from('00ff', 'hex')), '00ff'),
    refuse(
      'a Cyrillic key in one byte per letter',
      'wrong_key',
      seal(payload, Buffer.from(CYRILLIC, 'latin1')),
      CYRILLIC,
    ),
    refuse('a Cyrillic key as UTF-16', 'wrong_key', seal(payload, Buffer.from(CYRILLIC, 'utf16le')), CYRILLIC),
    refuse('a Cyrillic key with question marks', 'wrong_key', seal(payload, 's3c?eT'), CYRILLIC),
    refuse('a Cyrillic key, escaped', 'wrong_key', seal(payload, 's3c\\u042feT'), CYRILLIC),
    refuse('a broadcast key', 'wrong_key', seal(payload, hex(SECRET, 'broadcast-cable'))),
    refuse('another name', 'tampered', `${base64('"chat:2022"')}--${digest}`),
    refuse('one character of the payload changed', 'tampered', honest.replace('ImN', 'ImM')),
    refuse(
      'one digit of the digest changed',
      'tampered',
      `${payload}--${digest.startsWith('0') ? '1' : '0'}${digest.slice(1)}`,
    ),
    refuse('the padding taken off afterwards', 'tampered', honest.replace('=', '')),
    refuse('another alphabet afterwards', 'tampered', urlSafe(sealJson(`"${SLASHED}"`))),
    refuse('a space before', 'tampered', ` ${honest}`),
    refuse('percent-encoded afterwards', 'tampered', honest.replace('=', '%3D')),
    refuse(
      'the reference with an array',
      'not_a_string',
      'WyJjaGF0IiwxXQ==--59ea7ac3e2b01e7d7496b79463b95acfb630f78a3cd8b676e6ab836cb9031835',
    ),
    refuse('a number', 'not_a_string', sealJson('42')),
    refuse('null', 'not_a_string', sealJson('null')),
    refuse('true', 'not_a_string', sealJson('true')),
    refuse('an object', 'not_a_string', sealJson('{"stream":"chat:2021"}')),
    refuse('an array of one', 'not_a_string', sealJson('["chat:2021"]')),
    refuse('the name without quotes', 'not_json', sealJson(STREAM)),
    refuse('single quotes', 'not_json', sealJson("'chat:2021'")),
    refuse('an open string', 'not_json', sealJson('"chat')),
    refuse('something after the string', 'not_json', sealJson('"chat"x')),
    refuse('two strings', 'not_json', sealJson('"chat""2021"')),
    refuse('a newline within the string', 'not_json', sealJson('"a\nb"')),
    refuse('an escape that JSON does not have', 'not_json', sealJson('"\\x41"')),
    refuse('only white space', 'not_json', sealJson('  ')),
    refuse("Ruby's Marshal", 'not_json', sealJson(Buffer.from('\x04\bI"\x0echat:2021\x06:\x06ET', 'latin1'))),
    refuse("PHP's serialize", 'not_json', sealJson('s:9:"chat:2021";')),
    refuse('a Latin-1 letter', 'not_utf8', sealJson(Buffer.from('"caf\xe9"', 'latin1'))),
    refuse('half a character', 'not_utf8', sealJson(Buffer.from([0x22, 0xf0, 0x9f, 0xa6, 0x22]))),
    refuse('an overlong slash', 'not_utf8', sealJson(Buffer.from([0x22, 0xc0, 0xaf, 0x22]))),
    refuse('a surrogate', 'not_utf8', sealJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))),
    refuse('UTF-16', 'not_utf8', sealJson(Buffer.from('\ufeff"chat"', 'utf16le'))),
    ...envelopes.refuse,
  ],
}
