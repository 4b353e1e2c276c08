/**
 * Rails' envelope around a signed stream name: an expiry, a purpose, or both.
 *
 *   since 7.1   {"_rails":{"data":"chat:2021","exp":"2026-11-23T08:00:00.000Z","pur":"turbo"}}
 *   before      {"_rails":{"message":"<base64 of the JSON of the name>","exp":…,"pur":…}}, with null for an absent value
 *
 * The long literals were written by Rails: 7.2 both ways, 6.1 and 7.0 the old way. 7.2 also reads all of accept, writes all
 * of sign to the byte, and refuses names that expired or are for another purpose; it may accept malformed ones.
 */
import { base64, base64url, CYRILLIC, SECRET, seal, sealJson, TEXTS } from './sign.ts'

const FLAGS = {
  expired: [
    'stream_name_expired',
    'The expiry is now or has passed. Rails looks at it before it looks at the purpose.',
  ],
  purpose: [
    'stream_purpose_mismatch',
    'The purpose is not the expected one. No purpose is not a wildcard: neither where the cable expects none, nor where the name has none.',
  ],
  envelope_malformed: [
    'stream_name_not_a_string',
    'The signature is good, but the content is not an envelope around one string, or its expiry is not a time in ISO 8601 with a zone.',
  ],
  envelope_tampered: ['stream_signature_mismatch', 'An unsigned envelope, with the digest of another one.'],
} as const

const NOTES = {
  envelope: 'The envelope of Rails 7.1 and later, with the name in data.',
  legacy_envelope:
    'The envelope of Rails before 7.1, and of a later one with older defaults: message is the base64 of the JSON of the name.',
  foreign_date: 'Dates as other languages spell ISO 8601. Rails reads them too.',
  no_envelope: 'A name that looks like an envelope is a name.',
}

/** When most of these names expire, and the second before. */
const EXPIRY = Date.UTC(2026, 10, 23, 8) / 1000
const BEFORE = EXPIRY - 1
const EXP = '2026-11-23T08:00:00.000Z'
const STREAM = 'chat:2021'

const envelope = (inside: unknown) => sealJson(JSON.stringify({ _rails: inside }))
const legacy = (json: string, exp: string | null = null, pur: string | null = null) =>
  envelope({ message: base64(json), exp, pur })
const expiring = (stream: string, expires_in: number, now: number, secret = SECRET) => {
  const exp = new Date((now + expires_in) * 1000).toISOString()
  return { stream, expires_in, now, signed: sealJson(JSON.stringify({ _rails: { data: stream, exp } }), secret) }
}

const sign = (id: string, expires_in: number, { stream = STREAM, now = EXPIRY, secret = SECRET } = {}) => ({
  id,
  ...(secret !== SECRET && { secret }),
  ...expiring(stream, expires_in, now, secret),
})
const accept = (id: string, flag: keyof typeof NOTES, signed: string, { stream = STREAM, ...at }: Given = {}) => ({
  id,
  flag,
  stream,
  signed,
  now: BEFORE,
  ...at,
})
const refuse = (id: string, flag: keyof typeof FLAGS, signed: string | object, at: Given = {}) => ({
  id,
  flag,
  code: FLAGS[flag][0],
  ...(typeof signed === 'string' ? { signed, now: BEFORE } : signed),
  ...at,
})
type Given = { stream?: string; now?: number; purpose?: string }

export const envelopes = {
  notes: { ...NOTES, ...Object.fromEntries(Object.entries(FLAGS).map(([flag, [, note]]) => [flag, note])) },
  sign: [
    sign('an hour', 3600),
    sign('a second', 1),
    sign('a century', 100 * 365 * 86400),
    sign('into a leap day', 2, { now: Date.UTC(2028, 1, 28, 23, 59, 59) / 1000 }),
    sign('into a year', 1, { now: Date.UTC(2026, 11, 31, 23, 59, 59) / 1000 }),
    sign('beyond 32 bits', 1, { now: 2 ** 31 - 1 }),
    sign('until the last second of four digits', 1, { now: Date.UTC(9999, 11, 31, 23, 59, 58) / 1000 }),
    sign('a now of zero is a time', 60, { now: 0 }),
    sign('an hour, with a secret that is not ASCII', 3600, { secret: CYRILLIC }),
    ...Object.entries(TEXTS)
      .filter(([id]) => id !== 'very_long')
      .map(([id, stream]) => sign(`an hour for text: ${id}`, 3600, { stream })),
  ],
  accept: [
    accept(
      'Rails, with an expiry',
      'envelope',
      'eyJfcmFpbHMiOnsiZGF0YSI6ImNoYXQ6MjAyMSIsImV4cCI6IjIwMjYtMTEtMjNUMDg6MDA6MDAuMDAwWiJ9fQ==--0ac6f528de35c17c55c0f71d1cea2f371af539b602a71585929d9cb65f0fab62',
    ),
    accept(
      'Rails, with a purpose',
      'envelope',
      'eyJfcmFpbHMiOnsiZGF0YSI6ImNoYXQ6MjAyMSIsInB1ciI6InR1cmJvIn19--b6845955ca29f2c4ade4b268c41db77be385f8cfc425c2f0b15196e298652260',
      { purpose: 'turbo' },
    ),
    accept(
      'Rails, with both',
      'envelope',
      'eyJfcmFpbHMiOnsiZGF0YSI6ImNoYXQ6MjAyMSIsImV4cCI6IjIwMjYtMTEtMjNUMDg6MDA6MDAuMDAwWiIsInB1ciI6InR1cmJvIn19--aef7b7be501081541babc07fb7e814ecdeb17eee61a55e566aa257c54c162fcd',
      { purpose: 'turbo' },
    ),
    accept(
      'old Rails, with an expiry',
      'legacy_envelope',
      'eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOiIyMDI2LTExLTIzVDA4OjAwOjAwLjAwMFoiLCJwdXIiOm51bGx9fQ==--83b3f930c75532335631d4f5fbd882b5a1505860eed4073dab49a14e2d0f5626',
    ),
    accept(
      'old Rails, with a purpose',
      'legacy_envelope',
      'eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOm51bGwsInB1ciI6InR1cmJvIn19--af7db260ffcb8dc34e310f49ac1f073a1a7feb88318a6e1e8d5f2110ef7a1363',
      { purpose: 'turbo' },
    ),
    accept(
      'old Rails, with both',
      'legacy_envelope',
      'eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOiIyMDI2LTExLTIzVDA4OjAwOjAwLjAwMFoiLCJwdXIiOiJ0dXJibyJ9fQ==--53c4e17dcd0020cbb7c3064ffd808ee76d1cc15cca1221a94417529e449d2582',
      { purpose: 'turbo' },
    ),
    accept('a thousandth of a second left', 'envelope', envelope({ data: STREAM, exp: '2026-11-23T08:00:00.001Z' }), {
      now: EXPIRY,
    }),
    accept('a purpose without an end never expires', 'envelope', envelope({ data: STREAM, pur: 'turbo' }), {
      now: 2 ** 40,
      purpose: 'turbo',
    }),
    accept('null means no expiry and no purpose', 'envelope', envelope({ data: STREAM, exp: null, pur: null })),
    accept('an empty purpose means no purpose', 'envelope', envelope({ data: STREAM, pur: '' })),
    accept('the purpose first', 'envelope', envelope({ pur: 'turbo', exp: EXP, data: STREAM }), { purpose: 'turbo' }),
    accept(
      "old Rails' escapes in a purpose",
      'legacy_envelope',
      sealJson('{"_rails":{"message":"ImNoYXQ6MjAyMSI=","exp":null,"pur":"a\\u0026b"}}'),
      { purpose: 'a&b' },
    ),
    accept(
      "Python's spaces and escapes in an envelope",
      'envelope',
      sealJson(`{"_rails": {"data": "caf\\u00e9", "exp": "${EXP}"}}`),
      { stream: 'café' },
    ),
    accept(
      'a URL-safe envelope',
      'envelope',
      seal(base64url(JSON.stringify({ _rails: { data: 'привет?~', exp: EXP } }))),
      { stream: 'привет?~' },
    ),
    accept('any name in a message', 'legacy_envelope', legacy(JSON.stringify('привет 🦄--/"?~'), EXP), {
      stream: 'привет 🦄--/"?~',
    }),
    accept('foreign JSON in a message', 'legacy_envelope', legacy('"chat\\/42"', EXP), { stream: 'chat/42' }),
    accept('no fraction', 'foreign_date', envelope({ data: STREAM, exp: '2026-11-23T08:00:00Z' })),
    accept('millionths', 'foreign_date', envelope({ data: STREAM, exp: '2026-11-23T08:00:00.123456Z' }), {
      now: EXPIRY,
    }),
    accept('east of Greenwich', 'foreign_date', envelope({ data: STREAM, exp: '2026-11-23T10:00:00.000+02:00' })),
    accept('west of Greenwich', 'foreign_date', envelope({ data: STREAM, exp: '2026-11-23T03:30:00-04:30' })),
    accept('an envelope in quotes', 'no_envelope', sealJson(JSON.stringify('{"_rails":{"data":"x"}}')), {
      stream: '{"_rails":{"data":"x"}}',
    }),
    accept('an envelope in quotes, in an envelope', 'no_envelope', envelope({ data: '{"_rails":{"data":"x"}}' }), {
      stream: '{"_rails":{"data":"x"}}',
    }),
    accept('base64 as the name in data', 'no_envelope', envelope({ data: 'ImNoYXQ6MjAyMSI=' }), {
      stream: 'ImNoYXQ6MjAyMSI=',
    }),
  ],
  refuse: [
    refuse('at the expiry', 'expired', envelope({ data: STREAM, exp: EXP }), { now: EXPIRY }),
    refuse('a second after the expiry', 'expired', envelope({ data: STREAM, exp: EXP }), { now: EXPIRY + 1 }),
    refuse('a year after the expiry', 'expired', envelope({ data: STREAM, exp: EXP }), { now: EXPIRY + 365 * 86400 }),
    refuse('less than a second after', 'expired', envelope({ data: STREAM, exp: '2026-11-23T07:59:59.999Z' }), {
      now: EXPIRY,
    }),
    refuse('a zone that makes it earlier', 'expired', envelope({ data: STREAM, exp: '2026-11-23T09:00:00+02:00' })),
    refuse('an old envelope at the expiry', 'expired', legacy(JSON.stringify(STREAM), EXP), { now: EXPIRY }),
    refuse('the right purpose too late', 'expired', envelope({ data: STREAM, exp: EXP, pur: 'turbo' }), {
      now: EXPIRY,
      purpose: 'turbo',
    }),
    refuse('the wrong purpose too late', 'expired', envelope({ data: STREAM, exp: EXP, pur: 'turbo' }), {
      now: EXPIRY,
    }),
    refuse('zero seconds is an expiry', 'expired', expiring(STREAM, 0, EXPIRY)),
    refuse('signed for the past', 'expired', expiring(STREAM, -60, EXPIRY)),
    refuse(
      "the reference with Rails' envelope",
      'purpose',
      'eyJfcmFpbHMiOnsibWVzc2FnZSI6ImNoYXQ6MjAyMSIsImV4cCI6bnVsbCwicHVyIjoieCJ9fQ==--ce43d137a08e8fc2756cf9b4aacb88046a735cb1d75a74b6c0463b40e218eae7',
    ),
    refuse('a purpose where none is expected', 'purpose', envelope({ data: STREAM, pur: 'login' })),
    refuse(
      'an old envelope with a purpose where none is expected',
      'purpose',
      legacy(JSON.stringify(STREAM), EXP, 'login'),
    ),
    refuse('another purpose', 'purpose', envelope({ data: STREAM, pur: 'login' }), { purpose: 'turbo' }),
    refuse('the purpose in upper case', 'purpose', envelope({ data: STREAM, pur: 'Turbo' }), { purpose: 'turbo' }),
    refuse('the start of the purpose', 'purpose', envelope({ data: STREAM, pur: 'turb' }), { purpose: 'turbo' }),
    refuse('the purpose and a newline', 'purpose', envelope({ data: STREAM, pur: 'turbo\n' }), { purpose: 'turbo' }),
    refuse('no purpose where one is expected', 'purpose', envelope({ data: STREAM, exp: EXP }), { purpose: 'turbo' }),
    refuse('an empty purpose where one is expected', 'purpose', envelope({ data: STREAM, pur: '' }), {
      purpose: 'turbo',
    }),
    refuse('an old envelope without the purpose', 'purpose', legacy(JSON.stringify(STREAM), EXP), { purpose: 'turbo' }),
    refuse('a plain name where a purpose is expected', 'purpose', sealJson(JSON.stringify(STREAM)), {
      purpose: 'turbo',
    }),
    ...Object.entries<unknown>({
      'a number in data': { data: 42, exp: EXP },
      'null in data': { data: null, exp: EXP },
      'an array in data': { data: [STREAM], exp: EXP },
      'an object in data': { data: { stream: STREAM }, exp: EXP },
      'an envelope in data': { data: { _rails: { data: STREAM } }, exp: EXP },
      'neither data nor message': { exp: EXP },
      'the name under another key': { stream: STREAM, exp: EXP },
      'an envelope in an envelope': { _rails: { data: STREAM, exp: EXP } },
      'a string as the envelope': STREAM,
      'null as the envelope': null,
      'an array as the envelope': [STREAM],
      'seconds as the expiry': { data: STREAM, exp: EXPIRY },
      'seconds in quotes as the expiry': { data: STREAM, exp: String(EXPIRY) },
      'false as the expiry': { data: STREAM, exp: false },
      'an array as the expiry': { data: STREAM, exp: [EXP] },
      'an empty expiry': { data: STREAM, exp: '' },
      'a word as the expiry': { data: STREAM, exp: 'never' },
      'a day as the expiry': { data: STREAM, exp: '2026-11-24' },
      'an expiry without a zone': { data: STREAM, exp: '2026-11-24T08:00:00.000' },
      'an expiry in prose': { data: STREAM, exp: 'Tue, 24 Nov 2026 08:00:00 GMT' },
      'an expiry in month 13': { data: STREAM, exp: '2026-13-01T08:00:00.000Z' },
      'an expiry and more': { data: STREAM, exp: `${EXP}x` },
      'a name as the message': { message: STREAM, exp: EXP, pur: null },
      'a number as the message': { message: 42, exp: EXP, pur: null },
      'null as the message': { message: null, exp: EXP, pur: null },
      'JSON as the message': { message: `"${STREAM}"`, exp: EXP, pur: null },
      'a message that is not JSON': { message: base64(STREAM), exp: EXP, pur: null },
      'a message that is a number': { message: base64('42'), exp: EXP, pur: null },
      'a message that is an envelope': { message: base64('{"_rails":{"data":"x"}}'), exp: EXP, pur: null },
      'a message that is not UTF-8': { message: base64(Buffer.from('"caf\xe9"', 'latin1')), exp: EXP, pur: null },
    }).map(([id, inside]) => refuse(id, 'envelope_malformed', envelope(inside))),
    refuse(
      "the reference with Rails' envelope, for its purpose",
      'envelope_malformed',
      envelope({ message: STREAM, exp: null, pur: 'x' }),
      { purpose: 'x' },
    ),
    refuse('no envelope around the envelope', 'envelope_malformed', sealJson(`{"data":"${STREAM}","exp":"${EXP}"}`)),
    refuse('an array of one envelope', 'envelope_malformed', sealJson(`[{"_rails":{"data":"${STREAM}"}}]`)),
    refuse('an envelope by inheritance', 'envelope_malformed', sealJson(`{"__proto__":{"_rails":{"data":"x"}}}`)),
    refuse('data by inheritance', 'envelope_malformed', sealJson(`{"_rails":{"__proto__":{"data":"x"}}}`)),
    refuse('an open envelope', 'envelope_malformed', sealJson(`{"_rails":{"data":"${STREAM}"}`)),
    refuse('a later expiry', 'envelope_tampered', tampered()),
  ],
}

/** The digest of a name that has expired, on one that has not. */
function tampered(): string {
  const later = base64(JSON.stringify({ _rails: { data: STREAM, exp: '2027-11-23T08:00:00.000Z' } }))
  return `${later}--${envelope({ data: STREAM, exp: EXP }).slice(-64)}`
}
