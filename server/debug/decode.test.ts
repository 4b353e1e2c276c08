import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { SignJWT } from 'jose'
import { publicTokenVerifier } from '../auth/jwks.ts'
import { deriveKey } from '../auth/keys.ts'
import { readConfig } from '../config/read.ts'
import { LEAK, sign, token } from '../test/test-cable.ts'
import type { Context } from './context.ts'
import { decode } from './decode.ts'
import { type Finding, isWrong } from './finding.ts'
import { printFindings } from './print.ts'
import { decodeStreamName } from './stream-name.ts'
import { decodeToken } from './token.ts'

const NOW = 1_800_000_000
const SECRET = 'canary-qwerty'
const HEX = 'canary'.replaceAll(/./g, letter => letter.charCodeAt(0).toString(16))

const TURBO = [`--secret=${SECRET}`, '--turbo_streams']

const context = (flags: readonly string[] = TURBO, more: Partial<Context> = {}): Context => ({
  settings: readConfig(['--dev', ...flags], {}),
  now: NOW,
  ...more,
})

const codesOf = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ faults, parts }) => [...faults.map(({ code }) => code), ...codesOf(parts)])

/** Decodes, and asserts that the printed text holds no secret, no token and no whole signed name. */
function decoded(text: string, from = context()): { findings: Finding[]; codes: string[]; printed: string } {
  const findings = decode(text, from)
  const printed = printFindings(findings)
  assert.doesNotMatch(printed, LEAK)
  return { findings, codes: codesOf(findings), printed }
}

const ADA = { ext: '{"user":"ada"}', exp: NOW + 3600 }
const TOKEN = token(ADA)
const NAME = sign('board/1')
const turbo = (signed: string, position: string | null = '1/aZ3x') =>
  JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: signed, position: position ?? undefined })
const envelope = (inner: object) => sign({ _rails: { data: 'board/1', ...inner } })
const rails = createHmac('sha1', 'some key').update('ImJvYXJkLzEi').digest('hex')
const command = JSON.stringify({ command: 'subscribe', identifier: turbo(NAME) })

/** What is pasted, the kind that it is, the codes of its faults. */
const ROWS: readonly (readonly [title: string, text: string, kind: string, ...codes: string[]])[] = [
  ['a good token', TOKEN, 'token'],
  ['a token in a header', `Bearer ${TOKEN}`, 'token'],
  ['a token as a subprotocol', `anycable-token.${TOKEN}`, 'token'],
  ['a token in quotation marks', `"${TOKEN}"`, 'token'],
  ['a token that is expired', token({ ...ADA, exp: NOW - 60 }), 'token', 'token_expired'],
  ['a token that never expires', token({ ext: '{}' }), 'token', 'token_forever'],
  ['a token with milliseconds', token({ ...ADA, exp: NOW * 1000 }), 'token', 'token_in_ms'],
  ['a token of tomorrow', token({ ...ADA, nbf: NOW + 86_400 }), 'token', 'token_not_yet_valid'],
  ['a token without an identity', token({ sub: 'ada', exp: NOW + 60 }), 'token', 'token_ext_invalid'],
  ['a token of another secret', token(ADA, 'other'), 'token', 'token_invalid'],
  ['a token that was cut off', TOKEN.slice(0, -3), 'token', 'token_invalid'],
  ['a token without a signature', `${TOKEN.split('.').slice(0, 2).join('.')}.`, 'token', 'token_invalid'],
  ['a good name', NAME, 'signed stream name'],
  ['a good name, as a URL has it', encodeURIComponent(NAME), 'signed stream name'],
  ['a name of another secret', sign('board/1', 'other'), 'signed stream name', 'stream_signature_mismatch'],
  ['a name with an SHA-1', `ImJvYXJkLzEi--${rails}`, 'signed stream name', 'stream_signature_mismatch'],
  ['a name that was cut off', NAME.slice(0, -9), 'signed stream name', 'stream_signature_mismatch'],
  ['a name that is expired', envelope({ exp: '2020-01-01T00:00:00Z' }), 'signed stream name', 'stream_name_expired'],
  ['a name for a purpose', envelope({ pur: 'mail' }), 'signed stream name', 'stream_purpose_mismatch'],
  ['a signed number', sign(42), 'signed stream name', 'stream_name_not_a_string'],
  ['an identifier', turbo(NAME), 'identifier'],
  ['an identifier, encoded once more', JSON.stringify(turbo(NAME)), 'identifier'],
  ['an identifier without a position', turbo(NAME, null), 'identifier', 'position_missing'],
  ['an identifier with the position "-"', turbo(NAME, '-'), 'identifier', 'gap_position_unknown'],
  ['an identifier with a strange position', turbo(NAME, '12'), 'identifier', 'position_malformed'],
  ['an identifier with a forged name', turbo(sign('x', 'y')), 'identifier', 'stream_signature_mismatch'],
  ['an identifier of a channel of Rails', '{"channel":"ChatChannel"}', 'identifier', 'channel_unknown'],
  ['an unsigned name', '{"channel":"$pubsub","stream_name":"a"}', 'identifier', 'stream_not_public'],
  ['a command', command, 'command'],
  ['a refusal', '{"type":"disconnect","reason":"unauthorized","code":"token_missing"}', 'frame', 'token_missing'],
  ['a URL', `wss://example.com/cable?jid=${TOKEN}`, 'URL', 'token_in_url'],
  ['a URL that begins with https', 'https://example.com/cable', 'URL', 'url_scheme'],
  ['a URL with another path', 'wss://example.com/ws', 'URL', 'url_path_unknown'],
  ['a URL without TLS', 'ws://example.com/cable', 'URL', 'url_unencrypted'],
  ['a URL for backends', 'http://localhost:8080/_broadcast', 'URL', 'url_of_backends'],
  [
    'a URL of events',
    `https://a.example/events?turbo_signed_stream_name=${encodeURIComponent(NAME)}&position=1/aZ3x&jid=${TOKEN}`,
    'URL',
  ],
  [
    'a URL of events that begins with ws',
    `ws://localhost/events?turbo_signed_stream_name=${NAME}`,
    'URL',
    'url_of_events',
    'position_missing',
  ],
  [
    'a URL of events without a stream',
    'http://localhost/events?position=-',
    'URL',
    'gap_position_unknown',
    'identifier_missing',
  ],
  ['a position', '12/aZ3x-k3Jd9f', 'position'],
  ['a code', 'stream_signature_mismatch', 'code'],
  ['the secret', SECRET, 'secret', 'secret_pasted'],
  ['the key of broadcasts', `Bearer ${deriveKey(SECRET, 'broadcast')}`, 'secret', 'secret_pasted'],
  ['a broadcast', '{"stream":"board/1","data":"x"}', 'body for /_broadcast'],
  ['a broadcast without data', '{"stream":"board/1"}', 'body for /_broadcast', 'publication_malformed'],
  ['a message', '<turbo-stream action="append" target="cards"><template>x</template></turbo-stream>', 'HTML'],
  ['a message without a target', '<turbo-stream action="append"></turbo-stream>', 'HTML', 'message_without_target'],
  [
    'a message without a template',
    '<turbo-stream action="update" target="a">x</turbo-stream>',
    'HTML',
    'message_without_template',
  ],
  [
    'a message with an action of the app',
    '<turbo-stream action="beep"></turbo-stream>',
    'HTML',
    'message_action_unknown',
  ],
]

for (const [title, text, kind, ...codes] of ROWS) {
  test(`pasted: ${title}`, () => {
    const { findings, codes: found } = decoded(text)

    assert.deepEqual([findings.map(({ kind }) => kind), found], [[kind], codes])
  })
}

test('a name for which the cable asks the app is good, and the text says that the cable asks', () => {
  const from = context([
    ...TURBO,
    '--subscribe_url=http://app.test/',
    '--subscribe_purpose=ask',
    '--subscribe_streams=a/*',
  ])
  for (const name of [envelope({ pur: 'ask' }), sign('a/1')]) {
    const { codes, printed } = decoded(turbo(name), from)
    assert.deepEqual(codes, [])
    assert.match(printed, /the cable asks --subscribe_url first/)
  }
  assert.doesNotMatch(decoded(turbo(NAME), from).printed, /subscribe_url/)
})

test('an unknown text has no findings, and a line of the log has a finding for each part that is known', () => {
  for (const text of ['', '   ', 'hello', 'a-b--c', '42', 'null', '[]x', '{"a":1}'])
    assert.deepEqual(decode(text, context()), [], text)

  const line = `WRN subscription rejected sid=V1St code=stream_name_expired at curl -H "x-jid: ${TOKEN}"`
  assert.deepEqual(
    decoded(line).findings.map(({ kind }) => kind),
    ['token', 'code'],
  )
})

const PLACES: Readonly<Record<string, (canary: string) => string>> = {
  'the name of a stream': canary => JSON.stringify({ stream: canary, data: 'x' }),
  'an unsigned name': canary => JSON.stringify({ channel: '$pubsub', stream_name: canary }),
  'a signed name': canary => sign(canary),
  'a claim': canary => token({ ...ADA, name: canary }),
  'the name of a claim': canary => token({ ...ADA, [canary]: 1 }),
  'an algorithm': canary => `${btoa(JSON.stringify({ alg: canary }))}.e30.AA`,
  'the path of a URL': canary => `wss://example.com/${canary}`,
  'a position': canary => turbo(NAME, canary),
  'an identity': identifier => JSON.stringify({ command: 'disconnect', payload: { identifier } }),
  'a reason': reason => JSON.stringify({ type: 'disconnect', reason }),
  'a script': canary => `<html><script src="/hotcable.js?${canary}"></script></html>`,
  'a target': canary => `<turbo-stream action="remove" target="${canary}"></turbo-stream>`,
}

for (const [place, textOf] of Object.entries(PLACES)) {
  test(`nothing that opens something is printed as ${place}`, () => {
    for (const [canary, mask] of [
      [SECRET, '[secret]'],
      [TOKEN, '[token]'],
      [NAME, '[signed name]'],
    ] as const)
      assert.ok(decoded(textOf(canary)).printed.includes(mask), mask)
  })
}

test('a text that holds a secret is named as such, whatever else it holds', () => {
  const page = `<html><body><script>const key = "${SECRET}"</script>${TOKEN}</body></html>`
  for (const text of [page, `curl -H "Authorization: Bearer ${SECRET}"`, `wss://example.com/cable?key=${SECRET}`]) {
    const { findings, codes } = decoded(text)
    assert.deepEqual([findings[0]?.kind, codes[0]], ['secret', 'secret_pasted'])
  }
})

/** A linear congruential generator: the same numbers in each run. */
function randomly(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state * 1103515245 + 12345) % 2147483648
    return Math.floor((state / 2147483648) * below)
  }
}

test('no text makes the decoding fail: 5,000 broken variants of the texts above', () => {
  const random = randomly(1)
  const pieces = [
    '"',
    '\\',
    '{',
    '}',
    '<',
    '>',
    '--',
    '.',
    '/',
    '%',
    '%zz',
    '\0',
    '\ud800',
    'null',
    '=',
    '&',
    '_rails',
    '\n',
    '',
  ]
  const from = context(undefined, { position: { offset: 5, epoch: 'aZ3x' } })
  for (let round = 0; round < 5000; round++) {
    let [, text] = ROWS[random(ROWS.length)]!
    for (let changes = 1 + random(4); changes > 0; changes--) {
      const at = random(text.length)
      text = text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at + random(6))
    }
    assert.doesNotThrow(() => printFindings(decode(text, from)), text)
  }
})

const factOf = (finding: Finding | undefined, name: string) => finding?.facts.find(([known]) => known === name)?.[1]

test('a token shows its identity, its dates, and the key that signed it', () => {
  const [present] = decoded(TOKEN).findings

  assert.equal(factOf(present, 'identity'), '{"user":"ada"}')
  assert.equal(factOf(present, 'expires'), '2027-01-15 09:00:00 UTC, in 1 hour')
  assert.equal(factOf(present, 'signed with'), 'the secret of tokens')
  const rotated = context(['--secret=new', `--jwt_previous_secrets=older,${SECRET}`])
  assert.equal(factOf(decoded(TOKEN, rotated).findings[0], 'signed with'), 'former secret 2 of tokens')
})

const SPELLINGS: readonly (readonly [secret: string, text: string, reason: RegExp])[] = [
  [SECRET, token(ADA, `${SECRET}\n`), /with a line break at its end/],
  [SECRET, token(ADA, `"${SECRET}"`), /in quotation marks/],
  [HEX, token(ADA, 'canary'), /decoded from hexadecimal/],
  [SECRET, token(ADA, deriveKey(SECRET, 'broadcast')), /signed with the key of broadcasts/],
  [SECRET, sign('board/1', `${SECRET}\n`), /with a line break at its end/],
  [SECRET, token(ADA, 'other'), /no key that we know/],
  [SECRET, token(ADA, SECRET, { alg: 'HS256' }).replace(/^[^.]+/, btoa('{"alg":"none"}').replaceAll('=', '')), /none/],
]

for (const [secret, text, reason] of SPELLINGS) {
  test(`a wrong signature says what is wrong: ${reason.source}`, () => {
    assert.match(decoded(text, context([`--secret=${secret}`])).printed, reason)
  })
}

test('a token signed with the secret of names is named as such, and so is a name signed with that of tokens', () => {
  const separate = context(['--jwt_secret=canary-jwt', '--streams_secret=canary-streams'])

  assert.match(decoded(token(ADA, 'canary-streams'), separate).printed, /signed with the secret of stream names/)
  assert.match(decoded(sign('a', 'canary-jwt'), separate).printed, /signed with the secret of tokens/)
})

test('without a secret only the text itself is checked, and no signature', () => {
  const none = context(['--noauth'])

  assert.deepEqual(decoded(token({ ...ADA, exp: 1 }), none).codes, ['keys_unknown', 'token_expired'])
  assert.deepEqual(decoded(NAME, none).codes, ['keys_unknown'])
  assert.deepEqual(decoded('wss://a.example/cable?jid=none', none).codes, [
    'token_in_url',
    'token_invalid',
    'keys_unknown',
  ])
  assert.equal(factOf(decoded(NAME, none).findings[0], 'stream'), 'board/1')
})

const claims = { iss: 'https://id.example', aud: ['app'], sub: 'ada', exp: NOW + 60 }
const PROVIDER = ['--jwt_issuer=https://id.example', '--jwt_audience=app,other', '--jwt_identity_claim=sub']
const ISSUED: readonly (readonly [title: string, claims: object, ...codes: string[]])[] = [
  ['a good one', claims],
  ['an expired one', { ...claims, exp: NOW }, 'token_expired'],
  ['one of tomorrow', { ...claims, nbf: NOW + 6 }, 'token_not_yet_valid'],
  ['one of another issuer', { ...claims, iss: 'x' }, 'token_issuer_mismatch'],
  ['one for another app', { ...claims, aud: 'x' }, 'token_audience_mismatch'],
  ['one without an identity', { ...claims, sub: 7 }, 'token_identity_missing'],
]

for (const [alg, type, options] of [
  ['RS256', 'rsa', { modulusLength: 2048 }],
  ['PS512', 'rsa', { modulusLength: 2048 }],
  ['ES384', 'ec', { namedCurve: 'P-384' }],
  ['EdDSA', 'ed25519', {}],
] as const) {
  test(`tokens of an identity provider, with the codes of the cable: ${alg}`, async () => {
    const pair = () => generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
    const { publicKey, privateKey } = pair()
    const from = context([`--jwt_public_key=${publicKey.export({ type: 'spki', format: 'pem' })}`, ...PROVIDER])
    const cable = publicTokenVerifier(from.settings.publicTokens!, { monotonic: () => 0, log: undefined as never })
    for (const [title, claims, ...codes] of ISSUED) {
      const issued = await new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(privateKey)
      const verdict = await cable(issued, NOW).then(
        () => [],
        ({ code }: { code: string }) => [code],
      )

      assert.deepEqual([decoded(issued, from).codes, verdict], [codes, codes], title)
    }
    const forged = await new SignJWT({ ...claims }).setProtectedHeader({ alg }).sign(pair().privateKey)
    assert.deepEqual(decoded(forged, from).codes, ['token_invalid'])
    assert.deepEqual(decoded(TOKEN, from).codes, ['token_invalid'])
    const published = context(['--jwks_url=https://id.example/keys', ...PROVIDER])
    assert.deepEqual(decoded(forged, published).codes, ['keys_published'])
  })
}

test('a running cable knows that a position is of an earlier epoch', () => {
  const running = context(undefined, { position: { offset: 20, epoch: 'aZ3x' } })

  assert.deepEqual(decoded('12/older', running).codes, ['gap_restarted'])
  assert.match(decoded('12/aZ3x-k3Jd9f', running).printed, /messages since then +at most 8/)
})

test('the printed text escapes characters that move the cursor of a terminal, or turn the text around', () => {
  assert.match(decoded(token({ ...ADA, ext: '\u001b[2J\u202e' })).printed, /identity +\\u001b\[2J\\u202e/)
})

interface Vector {
  id: string
  token: string
  signed: string
  secret?: string
  purpose?: string
  now?: number
  code: string
}

for (const [file, decodeOne] of [
  ['tokens', ({ token }: Vector, from: Context) => decodeToken(token, from)],
  ['signed-streams', ({ signed }: Vector, from: Context) => decodeStreamName(signed, from)],
] as const) {
  test(`the decoding and the cable agree on every vector: ${file}`, () => {
    const vectors = JSON.parse(readFileSync(new URL(`../../backends/vectors/${file}.json`, import.meta.url), 'utf8'))
    const judge = (vector: Vector) => {
      const { secret = vectors.secret, purpose = '', now = NOW } = vector
      const flags = [`--secret=${secret}`, ...(purpose === '' ? [] : [`--streams_purpose=${purpose}`])]
      return decodeOne(vector, { ...context(flags), now })
    }
    for (const vector of vectors.accept) assert.ok(!isWrong(judge(vector)), vector.id)
    for (const vector of vectors.refuse.filter(({ code }: Vector) => !/missing/.test(code)))
      assert.ok(codesOf([judge(vector)]).includes(vector.code), `${vector.id}: ${codesOf([judge(vector)])}`)
  })
}

test('a value of JSON in place of a text does not make the decoding fail', () => {
  const deep = `${'['.repeat(1e5)}${']'.repeat(1e5)}`
  const provider = context(['--jwks_url=https://idp.test/keys', '--jwt_audience=app', '--public_streams'])
  const encode = (json: string) => Buffer.from(json).toString('base64url')

  for (const value of [deep, '{"toString":1}', '{"length":-1}', '[null]', 'null', '-1e400', 'true', '[]', '""'])
    for (const text of [
      `${encode(`{"alg":${value}}`)}.${encode(`{"ext":${value},"exp":${value},"aud":${value}}`)}.AA`,
      `${encode('{"alg":"RS256"}')}.${encode(`{"aud":${value},"exp":${value}}`)}.AA`,
      `${encode(value)}.${encode(value)}.AA`,
      `${encode(value)}--${'0'.repeat(64)}`,
      `${encode(`{"_rails":{"data":${value},"message":${value},"exp":${value},"pur":${value}}}`)}--${'0'.repeat(64)}`,
      `{"channel":${value},"signed_stream_name":${value}}`,
      `{"channel":"Turbo::StreamsChannel","position":${value}}`,
      `{"type":${value},"reason":${value},"code":${value},"identifier":${JSON.stringify(`{"channel":${value}}`)}}`,
      `{"stream":${value},"data":${value}}`,
      `{"command":"disconnect","payload":${value}}`,
    ])
      for (const from of [context(), provider]) assert.ok(decoded(text, from).printed.length < 5000)
})

test('the decoding names at most fifty claims, and at most fifty missing targets', () => {
  const claims = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`claim${n}`, n]))
  const streams = Array.from({ length: 1000 }, (_, n) => `<turbo-stream action="remove" target="t${n}"></turbo-stream>`)

  assert.equal(decoded(token(claims)).printed.match(/claim\d/g)!.length, 50)
  const { codes } = decoded(`<html><body>${streams.join('')}</body></html>`)
  assert.equal(codes.filter(code => code === 'message_target_missing').length, 50)
})
