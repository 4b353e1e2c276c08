/** Answers to the cable, which asks whether an identity may listen to a stream (--subscribe_url). */
import { CYRILLIC, hex, SECRET } from './sign.ts'

const NOW = 1_700_000_000
const keyOf = (secret: string) => hex(secret, 'subscribe-cable')
const KEY = keyOf(SECRET)
const question = (identity: string, stream = 'room/1', headers: object = { cookie: 'a=b' }) =>
  JSON.stringify({ identity, stream, headers })
const ADA = '{"user":7}'

interface Given {
  secret?: string
  key?: string
  authorization?: string
  body?: string
  allow?: boolean | number
}

const asked = (id: string, answer: string, { authorization = `Bearer ${KEY}`, body, allow = true, ...rest }: Given = {}) => ({
  id,
  ...rest,
  authorization,
  body: body ?? question(ADA),
  allow,
  now: NOW,
  answer,
})
const SEEN = '[{"user":7},"room/1",{"cookie":"a=b"}]'
const seen = (id: string, text: string, body: string) => asked(id, `200 {"allowed":true} ${text}`, { body })
const malformed = (id: string, body: string) => asked(id, '422 {"error":"malformed"}', { body })
const strange = (id: string, authorization: string, more: Given = {}) =>
  asked(id, '401 {"error":"unauthorized"}', { authorization, ...more })

export const subscribes = {
  about:
    'answer_subscribe(authorization, body, allow, key, secret, now) returns a status and JSON: answer has both, and after them the identity, the ' +
    'stream and the headers that allow got, if it was called. allow is what allow returns. Headers may be absent.',
  secret: SECRET,
  notes: {},
  questions: [
    asked('allowed', `200 {"allowed":true} ${SEEN}`),
    asked('refused', `200 {"allowed":false} ${SEEN}`, { allow: false }),
    asked('until a time', `200 {"allowed":true,"until":1700000060} ${SEEN}`, { allow: NOW + 60 }),
    asked('until a second later', `200 {"allowed":true,"until":1700000001} ${SEEN}`, { allow: NOW + 1 }),
    asked('until now', `200 {"allowed":false} ${SEEN}`, { allow: NOW }),
    asked('until a time that has passed', `200 {"allowed":false} ${SEEN}`, { allow: NOW - 60 }),
    asked('a count in place of a boolean', `200 {"allowed":false} ${SEEN}`, { allow: 1 }),
    asked('zero', `200 {"allowed":false} ${SEEN}`, { allow: 0 }),
    seen('a stream in any script', '[{"user":7},"chat/日本 🦄/\\"é\\"",{}]', question(ADA, 'chat/日本 🦄/"é"', {})),
    seen('an identity in any script', '[{"name":"Zoë \\"日本\\" 🦄"},"room/1",{}]', question('{"name":"Zoë \\"日本\\" 🦄"}', 'room/1', {})),
    seen('an identity with two keys', '[{"a":"1","b":true},"room/1",{}]', question('{"a":"1","b":true}', 'room/1', {})),
    seen('an empty identity', '[{},"room/1",{}]', question('{}', 'room/1', {})),
    seen('an identity of another issuer', '["auth0|17","room/1",{}]', question('auth0|17', 'room/1', {})),
    seen('an identity that looks like a number', '["42","room/1",{}]', question('42', 'room/1', {})),
    seen('an identity that looks like null', '["null","room/1",{}]', question('null', 'room/1', {})),
    seen('an identity that looks like a list', '["[1]","room/1",{}]', question('[1]', 'room/1', {})),
    seen('an identity that looks like a string', '["\\"ada\\"","room/1",{}]', question('"ada"', 'room/1', {})),
    seen('several headers', '[{"user":7},"room/1",{"cookie":"a=b","x-api":"é"}]', question(ADA, 'room/1', { cookie: 'a=b', 'x-api': 'é' })),
    seen('no headers', '[{"user":7},"room/1",{}]', JSON.stringify({ identity: ADA, stream: 'room/1' })),
    seen('fields in another order, and others', '[{"user":7},"room/1",{}]', ' {"more":[1], "stream":"room\\/1", "headers":{}, "identity":"{\\"user\\":7}"}\n'),
    asked('a secret that is not ASCII', `200 {"allowed":true} ${SEEN}`, {
      secret: CYRILLIC,
      authorization: `Bearer ${keyOf(CYRILLIC)}`,
    }),
    asked('a key that is not derived', `200 {"allowed":true} ${SEEN}`, { key: 's3cret', authorization: 'Bearer s3cret' }),
    asked('an empty key counts as absent', `200 {"allowed":true} ${SEEN}`, { key: '' }),
    strange('no key', ''),
    strange('no key after Bearer', 'Bearer '),
    strange('the key without Bearer', KEY),
    strange('the key of broadcasts', `Bearer ${hex(SECRET, 'broadcast-cable')}`),
    strange('the secret in place of the key', `Bearer ${SECRET}`),
    strange('the derived key, though there is another', `Bearer ${KEY}`, { key: 's3cret' }),
    strange('the key and a space', `Bearer ${KEY} `),
    strange('half of the key', `Bearer ${KEY.slice(0, 32)}`),
    strange('the key in upper case', `Bearer ${KEY.toUpperCase()}`),
    strange('a key that is not ASCII', 'Bearer kéy'),
    strange('another key, and a body that is no question', 'Bearer other', { body: '<' }),
    malformed('no body', ''),
    malformed('a body that is not JSON', '{"identity":'),
    malformed('a list', '["{}","room/1"]'),
    malformed('null', 'null'),
    malformed('no stream', '{"identity":"{}"}'),
    malformed('no identity', '{"stream":"room/1"}'),
    malformed('a stream that is a number', '{"identity":"{}","stream":1}'),
    malformed('an identity that is an object', '{"identity":{"user":7},"stream":"room/1"}'),
  ],
}
