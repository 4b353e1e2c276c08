/** Tokens: the proof of a client's identity. */
import { base64, base64url, type Bytes, CYRILLIC, hmac, jwt, LONG, SECRET, TEXTS } from './sign.ts'

const NOW = 1_700_000_000
const EXT = '{"user_id":"42"}'
const HEADER = '{"alg":"HS256"}'

/** Flag → the cable's code, and the fault. */
const FLAGS = {
  missing: ['token_missing', 'No token at all.'],
  not_a_jwt: ['token_invalid', 'Not three segments of base64url.'],
  padding: [
    'token_invalid',
    'JWTs are unpadded base64url; this one has padding. A lenient decoder lets one token have many spellings.',
  ],
  alphabet: ['token_invalid', 'The standard alphabet of base64, in a place for the URL-safe one.'],
  header: ['token_invalid', 'The header is not a JSON object with a known alg, in valid UTF-8.'],
  unsigned: ['token_invalid', 'It says that it needs no signature (alg none).'],
  algorithm: [
    'token_invalid',
    'An algorithm that the cable does not do with a shared secret. Believing it is the classic confusion of keys.',
  ],
  critical_header: [
    'token_invalid',
    'A crit header: an extension that a verifier must understand or refuse (RFC 7515, 4.1.11).',
  ],
  signature: [
    'token_invalid',
    'The signature is not of these bytes, or not with this secret, or not encoded as it should be.',
  ],
  signature_first: [
    'token_invalid',
    'Forged and expired, or not yet valid: a forged token must not learn that its dates were the problem.',
  ],
  claims: ['token_invalid', 'The claims are not a JSON object in valid UTF-8.'],
  date_type: ['token_invalid', 'A date that is not a number.'],
  expired: ['token_expired', 'exp has passed. At exp itself a token is expired, and fractions are cut off.'],
  expired_first: [
    'token_expired',
    'Expired, and something else is wrong as well: expired wins, so that the client gets a new token.',
  ],
  not_yet_valid: ['token_not_yet_valid', 'nbf is more than 5 s in the future.'],
  ext: ['token_ext_invalid', 'ext is missing, or not a string. The identity is JSON encoded once more, as a string.'],
} as const

const NOTES = {
  reference: 'Made by another implementation: a vector of the reference.',
  algorithms: 'HS384 and HS512 are as good as HS256.',
  header_extras: 'typ, kid and whatever else the header says is ignored; AnyCable sends no typ.',
  dates: 'exp and nbf are optional, zero counts as absent, fractions are cut off. nbf is inclusive and has 5 s of leeway; exp is exclusive and has no leeway.',
  other_claims: 'iat, iss, aud, sub and unknown claims are not looked at.',
  any_string: 'ext is a string that the cable does not look into; even the empty one is accepted.',
  foreign_json: 'JSON as other languages spell it: the signature covers the bytes, so any spelling is good.',
  any_secret: 'A secret is UTF-8 bytes, of any length.',
}

/** A token of these claims; strings are JSON already. */
const token = (claims: object | Bytes, header: Bytes = HEADER, key: Bytes = SECRET): string =>
  jwt(
    base64url(header),
    base64url(typeof claims === 'string' || Buffer.isBuffer(claims) ? claims : JSON.stringify(claims)),
    key,
  )

const good = { ext: EXT, exp: NOW + 3600 }
const honest = token(good)
const [h, c, s] = honest.split('.') as [string, string, string]
const swap = (text: string, at: number) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
/** Text in which base64 needs both characters in which the alphabets differ. */
const SLASHED = '{"ext":"{\\"a\\":\\"???>>>~~~\\"}","exp":1700003600}'

const produce = (id: string, identity: object, { secret = SECRET, ttl = 3600, now = NOW } = {}) => {
  const claims = JSON.stringify({ ext: JSON.stringify(identity), exp: now + ttl })
  const made = token(claims, '{"alg":"HS256","typ":"JWT"}', secret)
  return { id, identity, ...(secret !== SECRET && { secret }), ttl, now, ext: JSON.stringify(identity), token: made }
}
const accept = (
  id: string,
  flag: keyof typeof NOTES,
  token: string,
  ext = EXT,
  { secret = SECRET, now = NOW } = {},
) => ({
  id,
  flag,
  ...(secret !== SECRET && { secret }),
  now,
  token,
  ext,
})
const refuse = (id: string, flag: keyof typeof FLAGS, token: string, now = NOW) => ({
  id,
  flag,
  code: FLAGS[flag][0],
  now,
  token,
})

export const tokens = {
  about:
    'Tokens. produce: issue_token(identity, ttl, now) must be these bytes, and the cable reads ext from them. accept: the cable reads ext. ' +
    'refuse: the cable answers code, and flag says what kind of bug it catches. now is Unix seconds; a case may have another secret.',
  secret: SECRET,
  notes: { ...NOTES, ...Object.fromEntries(Object.entries(FLAGS).map(([flag, [, note]]) => [flag, note])) },
  produce: [
    produce('an identity', { user_id: '42' }),
    produce('no identity', {}),
    produce('every type', {
      id: 42,
      negative: -1,
      largest: 9007199254740991,
      yes: true,
      no: false,
      nobody: null,
      text: '',
    }),
    produce('keys in the order given', { z: 1, a: 2, M: 3 }),
    produce('an empty key', { '': 'x' }),
    produce('a key in any script', { 'клавиша "1"/🔑': 'x' }),
    ...Object.entries(TEXTS).map(([id, name]) => produce(`text: ${id}`, { name })),
    produce('a time to live of one second', { user_id: '42' }, { ttl: 1 }),
    produce('already expired', { user_id: '42' }, { ttl: -60 }),
    produce('the epoch', { user_id: '42' }, { now: 0 }),
    produce('far in the future', { user_id: '42' }, { now: 4_102_444_800 }),
    produce('a secret that is not ASCII', { user_id: '42' }, { secret: CYRILLIC }),
    produce('an emoji as the secret', { user_id: '42' }, { secret: '🔑' }),
    produce('a space as the secret', { user_id: '42' }, { secret: ' ' }),
    produce('a secret longer than a block of SHA-256', { user_id: '42' }, { secret: 'k'.repeat(65) }),
    produce('a secret that looks like hex', { user_id: '42' }, { secret: '00ff' }),
  ],
  accept: [
    accept(
      'the reference',
      'reference',
      'eyJhbGciOiJIUzI1NiJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCI0MlwifSIsImV4cCI6NDEwMjQ0NDgwMH0.v8VgRiBQ3gsVmiyBSY-ZFP0hZxZTEjIn3Y8RmgxO2QM',
    ),
    accept(
      'the reference with HS512',
      'reference',
      'eyJhbGciOiJIUzUxMiJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCI0MlwifSIsImV4cCI6NDEwMjQ0NDgwMH0.tcf8Ptpgjq94ZhSzIUPTw2Hr6FxPfoooFSBM9N3-Arq2-HFtobLx9korQUKX04R7fwrTGpYxqZVs0Wt68rjqmw',
    ),
    accept(
      'the reference with exp 0',
      'reference',
      'eyJhbGciOiJIUzI1NiJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCI0MlwifSIsImV4cCI6MH0.kfQcfGDLE61tKocSFYF2pM5d7dllYE-OpT2wtPxAIXc',
    ),
    accept('HS384', 'algorithms', token(good, '{"alg":"HS384"}')),
    accept('HS512', 'algorithms', token(good, '{"alg":"HS512","typ":"JWT"}')),
    accept('typ and kid', 'header_extras', token(good, '{"typ":"at+jwt","kid":"2024-01","alg":"HS256"}')),
    accept('no dates', 'dates', token({ ext: EXT })),
    accept('one second left', 'dates', token({ ext: EXT, exp: NOW + 1 })),
    accept('half a second left', 'dates', token({ ext: EXT, exp: NOW + 1.5 })),
    accept('exp in scientific notation', 'dates', token(`{"ext":${JSON.stringify(EXT)},"exp":4.1024448e9}`)),
    accept('nbf is now', 'dates', token({ ...good, nbf: NOW })),
    accept('nbf within this second', 'dates', token({ ...good, nbf: NOW + 0.9 })),
    accept('nbf in a second', 'dates', token({ ...good, nbf: NOW + 1 })),
    accept('nbf in five seconds', 'dates', token({ ...good, nbf: NOW + 5 })),
    accept('nbf in five seconds and a bit', 'dates', token({ ...good, nbf: NOW + 5.9 })),
    accept('nbf has passed', 'dates', token({ ...good, nbf: 1 })),
    accept('nbf 0', 'dates', token({ ...good, nbf: 0 })),
    accept('iat in the future', 'other_claims', token({ ...good, iat: NOW + 3600 })),
    accept('other names', 'other_claims', token({ ...good, iss: 'x', aud: ['y'], sub: 7, jti: null, é: {} })),
    accept('an empty ext', 'any_string', token({ ...good, ext: '' }), ''),
    accept('an ext that is not JSON', 'any_string', token({ ...good, ext: 'hello --' }), 'hello --'),
    accept('a very long ext', 'any_string', token({ ...good, ext: LONG }), LONG),
    accept(
      "PHP's slashes",
      'foreign_json',
      token('{"ext":"{\\"at\\":\\"a\\\\/b\\"}","exp":1700003600}'),
      '{"at":"a\\/b"}',
    ),
    accept("PHP's slashes, escaped once more", 'foreign_json', token('{"ext":"a\\/b","exp":1700003600}'), 'a/b'),
    accept(
      "Python's escapes and spaces",
      'foreign_json',
      token('{"ext": "{\\"name\\": \\"caf\\\\u00e9\\"}", "exp": 1700003600}', '{"alg": "HS256", "typ": "JWT"}'),
      '{"name": "caf\\u00e9"}',
    ),
    accept("Rails' escapes", 'foreign_json', token('{"ext":"\\u003cb\\u003e\\u0026","exp":1700003600}'), '<b>&'),
    accept('escaped surrogates', 'foreign_json', token('{"ext":"\\ud83e\\udd84","exp":1700003600}'), '🦄'),
    accept('raw UTF-8', 'foreign_json', token('{"ext":"é日🦄","exp":1700003600}'), 'é日🦄'),
    accept(
      'white space around and within',
      'foreign_json',
      token(' {\n\t"exp" : 1700003600 ,\r\n "ext" : "x" } ', '\n{ "alg" : "HS256" }\n'),
      'x',
    ),
    accept('signed with a secret that is not ASCII', 'any_secret', token(good, HEADER, CYRILLIC), EXT, { secret: CYRILLIC }),
    accept('a secret of one letter', 'any_secret', token(good, HEADER, 'x'), EXT, { secret: 'x' }),
    accept('a very long secret', 'any_secret', token(good, HEADER, LONG), EXT, { secret: LONG }),
  ],
  refuse: [
    refuse('nothing', 'missing', ''),
    refuse('not a token', 'not_a_jwt', 'garbage'),
    refuse('only dots', 'not_a_jwt', '..'),
    refuse('two segments', 'not_a_jwt', `${h}.${c}`),
    refuse('four segments', 'not_a_jwt', `${honest}.${s}`),
    refuse('four segments, the last empty', 'not_a_jwt', `${honest}.`),
    refuse('five segments, as an encrypted token has', 'not_a_jwt', `${honest}.${s}.${s}`),
    refuse('no header', 'not_a_jwt', jwt('', c)),
    refuse('no claims', 'not_a_jwt', jwt(h, '')),
    refuse('a space before', 'not_a_jwt', ` ${honest}`),
    refuse('a newline after', 'not_a_jwt', `${honest}\n`),
    refuse('in quotes', 'not_a_jwt', `"${honest}"`),
    refuse('with Bearer', 'not_a_jwt', `Bearer ${honest}`),
    refuse('percent-encoded', 'not_a_jwt', honest.replaceAll('.', '%2E')),
    refuse('a signature with padding', 'padding', `${honest}=`),
    refuse('a header with padding', 'padding', jwt(base64('{"alg":"HS256"} '), c)),
    refuse('claims with padding', 'padding', jwt(h, base64('{"ext":"x","exp":1700003600}'))),
    refuse('claims in the standard alphabet', 'alphabet', jwt(h, base64(SLASHED).replaceAll('=', ''))),
    refuse('a signature in the standard alphabet', 'alphabet', standardSignature()),
    refuse('a header that is not JSON', 'header', token(good, 'HS256')),
    refuse('a header that is an array', 'header', token(good, '["HS256"]')),
    refuse('a header that is null', 'header', token(good, 'null')),
    refuse('a header that is not UTF-8', 'header', token(good, Buffer.from('{"alg":"HS256","kid":"\xff"}', 'latin1'))),
    refuse('no alg', 'header', token(good, '{"typ":"JWT"}')),
    refuse('an alg that is a number', 'header', token(good, '{"alg":256}')),
    refuse('an alg that is an array', 'header', token(good, '{"alg":["HS256"]}')),
    refuse('alg none, without a signature', 'unsigned', `${base64url('{"alg":"none"}')}.${c}.`),
    refuse('alg none, with a signature', 'unsigned', token(good, '{"alg":"none"}')),
    refuse('alg nOnE, without a signature', 'unsigned', `${base64url('{"alg":"nOnE"}')}.${c}.`),
    refuse('alg empty, without a signature', 'unsigned', `${base64url('{"alg":""}')}.${c}.`),
    refuse('HS256 without a signature', 'unsigned', `${h}.${c}.`),
    refuse('RS256, signed with the secret', 'algorithm', token(good, '{"alg":"RS256"}')),
    refuse('ES256, signed with the secret', 'algorithm', token(good, '{"alg":"ES256"}')),
    refuse('PS512, signed with the secret', 'algorithm', token(good, '{"alg":"PS512"}')),
    refuse('EdDSA, signed with the secret', 'algorithm', token(good, '{"alg":"EdDSA"}')),
    refuse('alg in lower case', 'algorithm', token(good, '{"alg":"hs256"}')),
    refuse('HS1', 'algorithm', jwt(base64url('{"alg":"HS1"}'), c, SECRET, 'sha1')),
    refuse('alg sha256', 'algorithm', token(good, '{"alg":"sha256"}')),
    refuse('alg constructor', 'algorithm', token(good, '{"alg":"constructor"}')),
    refuse('crit', 'critical_header', token(good, '{"alg":"HS256","crit":["b64"],"b64":false}')),
    refuse('another secret', 'signature', token(good, HEADER, 'qwertz')),
    refuse('no secret', 'signature', token(good, HEADER, '')),
    refuse('the secret and a newline', 'signature', token(good, HEADER, `${SECRET}\n`)),
    refuse('the secret in upper case', 'signature', token(good, HEADER, SECRET.toUpperCase())),
    refuse('the secret decoded from base64', 'signature', token(good, HEADER, Buffer.from(SECRET, 'base64'))),
    refuse('HS256 signed as HS512', 'signature', jwt(h, c, SECRET, 'sha512')),
    refuse('HS512 signed as HS256', 'signature', jwt(base64url('{"alg":"HS512"}'), c, SECRET, 'sha256')),
    refuse('other claims', 'signature', `${h}.${base64url(JSON.stringify({ ...good, ext: '{"user_id":"1"}' }))}.${s}`),
    refuse('another header', 'signature', `${base64url('{"alg":"HS256","kid":"x"}')}.${c}.${s}`),
    refuse('one character of the claims changed', 'signature', `${h}.${swap(c, 12)}.${s}`),
    refuse('one character of the signature changed', 'signature', `${h}.${c}.${swap(s, 0)}`),
    refuse('a signature cut short', 'signature', honest.slice(0, -2)),
    refuse('half a signature', 'signature', `${h}.${c}.${s.slice(0, 20)}`),
    refuse('a signature too long', 'signature', `${honest}AAAA`),
    refuse('the signature of another token', 'signature', `${h}.${c}.${token({ ext: 'x' }).split('.')[2]}`),
    refuse('a signature over the claims only', 'signature', `${h}.${c}.${base64url(hmac(SECRET, c))}`),
    refuse('a signature in hex', 'signature', `${h}.${c}.${hmac(SECRET, `${h}.${c}`).toString('hex')}`),
    refuse('expired, and another secret', 'signature_first', token({ ext: EXT, exp: 1 }, HEADER, 'qwertz')),
    refuse('expired, and unsigned', 'signature_first', `${base64url('{"alg":"none"}')}.${base64url('{"exp":1}')}.`),
    refuse('not yet valid, and another secret', 'signature_first', token({ ...good, nbf: NOW + 60 }, HEADER, 'qwertz')),
    refuse('no ext, and another secret', 'signature_first', token({ exp: NOW + 60 }, HEADER, 'qwertz')),
    refuse('claims that are not JSON', 'claims', token(EXT.slice(1))),
    refuse('claims that are an array', 'claims', token(`[${JSON.stringify(good)}]`)),
    refuse('claims that are a string', 'claims', token('"x"')),
    refuse('claims that are null', 'claims', token('null')),
    refuse('claims that are not UTF-8', 'claims', token(Buffer.from('{"ext":"\xff","exp":1700003600}', 'latin1'))),
    refuse('claims with something after', 'claims', token(`${JSON.stringify(good)}x`)),
    refuse('exp as a string', 'date_type', token({ ext: EXT, exp: String(NOW + 3600) })),
    refuse('exp null', 'date_type', token({ ext: EXT, exp: null })),
    refuse('exp true', 'date_type', token({ ext: EXT, exp: true })),
    refuse('exp as an ISO date', 'date_type', token({ ext: EXT, exp: '2100-01-01T00:00:00Z' })),
    refuse('nbf as a string', 'date_type', token({ ...good, nbf: String(NOW) })),
    refuse('nbf null', 'date_type', token({ ...good, nbf: null })),
    refuse(
      'the reference, expired',
      'expired',
      'eyJhbGciOiJIUzI1NiJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCI0MlwifSIsImV4cCI6MTAwMDAwMDAwMH0.NEDEFDEjQ2pT56DKRRYW5D1FmTl78UJIB_QPOuZWhRw',
    ),
    refuse('exp is now', 'expired', token({ ext: EXT, exp: NOW })),
    refuse('exp within this second', 'expired', token({ ext: EXT, exp: NOW + 0.9 })),
    refuse('exp was a second ago', 'expired', token({ ext: EXT, exp: NOW - 1 })),
    refuse('exp before the epoch', 'expired', token({ ext: EXT, exp: -1 })),
    refuse('exp in milliseconds of 1970', 'expired', token({ ext: EXT, exp: 1_699_999 })),
    refuse('expired, signed with HS512', 'expired', token({ ext: EXT, exp: NOW - 1 }, '{"alg":"HS512"}')),
    refuse('expired and not yet valid', 'expired_first', token({ ext: EXT, exp: NOW - 60, nbf: NOW + 60 })),
    refuse('expired and within the leeway of nbf', 'expired_first', token({ ext: EXT, exp: NOW, nbf: NOW + 5 })),
    refuse('expired and no ext', 'expired_first', token({ exp: NOW - 60 })),
    refuse('nbf in six seconds', 'not_yet_valid', token({ ...good, nbf: NOW + 6 })),
    refuse('nbf in six seconds and a bit', 'not_yet_valid', token({ ...good, nbf: NOW + 6.2 })),
    refuse('nbf in milliseconds', 'not_yet_valid', token({ ...good, nbf: NOW * 1000 })),
    refuse('nbf in the future, and no exp', 'not_yet_valid', token({ ext: EXT, nbf: NOW + 60 })),
    refuse('no ext', 'ext', token({ exp: NOW + 3600 })),
    refuse('no ext but a sub', 'ext', token({ sub: '42', exp: NOW + 3600 })),
    refuse(
      'the reference with an object',
      'ext',
      'eyJhbGciOiJIUzI1NiJ9.eyJleHQiOnsidXNlcl9pZCI6IjQyIn0sImV4cCI6NDEwMjQ0NDgwMH0.QwkTx-zd5tqiOYp0eYZ0IuU7GtmkwKJgRsLZ2g3QWG8',
    ),
    refuse('ext is a number', 'ext', token({ ...good, ext: 42 })),
    refuse('ext is null', 'ext', token({ ...good, ext: null })),
    refuse('ext is an array', 'ext', token({ ...good, ext: [EXT] })),
    refuse('ext in capitals', 'ext', token({ EXT, exp: NOW + 3600 })),
  ],
}

/** The first token with a signature that differs between the base64 alphabets, written in the wrong alphabet. */
function standardSignature(): string {
  for (let i = 0; ; i++) {
    const [header, claims, signature = ''] = token({ ...good, i }).split('.')
    if (/-/.test(signature) && /_/.test(signature))
      return `${header}.${claims}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`
  }
}
