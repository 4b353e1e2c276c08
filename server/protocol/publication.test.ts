import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestRefused } from '../errors.ts'
import { parseDisconnect, parseRequest } from './publication.ts'

const message = (data: string) => {
  const request = parseRequest(JSON.stringify({ stream: 'a', data }))
  assert.ok('publications' in request)
  return JSON.parse(request.publications[0]!.message)
}

test('the parser decodes data once, and keeps a text that is not JSON', () => {
  for (const [data, expected] of [
    ['"<b>x</b>"', '<b>x</b>'],
    ['"\\"x\\""', '"x"'],
    ['{"b":1,"a":[true,null]}', { b: 1, a: [true, null] }],
    ['42', 42],
    ['false', false],
    ['null', 'null'],
    ['', ''],
    ['abc', 'abc'],
    ['<turbo-stream>', '<turbo-stream>'],
    ['"half', '"half'],
    ['"caf\\u00e9 \\ud83e\\udd84"', 'café 🦄'],
  ] as const) {
    assert.deepEqual(message(data), expected, data)
  }
})

test('numbers keep their digits and objects the order of their keys', () => {
  const request = parseRequest(JSON.stringify({ stream: 'a', data: '{"z":12345678901234567890,"a":1}' }))
  assert.ok('publications' in request)
  assert.equal(request.publications[0]!.message, '{"z":12345678901234567890,"a":1}')
})

const GOOD = { stream: 'a', data: '1' }
for (const [body, complaint] of [
  ['', 'not JSON'],
  ['{', 'not JSON'],
  ['null', 'the body'],
  ['7', 'the body'],
  ['"text"', 'the body'],
  ['[]', 'empty'],
  ['{}', 'stream'],
  [{ ...GOOD, stream: '' }, 'stream'],
  [{ ...GOOD, stream: 7 }, 'stream'],
  [{ stream: 'a' }, 'data'],
  [{ ...GOOD, data: { html: 'x' } }, 'data'],
  [{ ...GOOD, data: null }, 'data'],
  [{ ...GOOD, stream: null }, 'stream'],
  [{ ...GOOD, meta: 'x' }, 'meta'],
  [{ ...GOOD, meta: [{}] }, 'meta'],
  [{ ...GOOD, meta: { exclude_socket: [] } }, 'exclude_socket'],
  [{ ...GOOD, meta: { exclude_socket: 7 } }, 'exclude_socket'],
  [{ ...GOOD, meta: { broadcast_type: {} } }, 'broadcast_type'],
  [{ ...GOOD, meta: { transient: 'yes' } }, 'transient'],
  [{ ...GOOD, meta: { id: '' } }, 'meta.id'],
  [{ ...GOOD, meta: { id: 7 } }, 'meta.id'],
  [{ ...GOOD, meta: { id: ['a'] } }, 'meta.id'],
  [{ ...GOOD, meta: { id: 'x'.repeat(65) } }, 'meta.id must be a string of 1 to 64 characters'],
  [{ ...GOOD, meta: { id: '🔑'.repeat(65) } }, 'meta.id'],
  [[GOOD, { ...GOOD, meta: { id: '' } }], '[1].meta.id'],
  [[GOOD, null], '[1]'],
  [[GOOD, GOOD, { stream: 'a', data: 7 }], '[2].data'],
  [[{ command: 'disconnect', payload: { identifier: 'x' } }], '[0].stream'],
  [{ command: 'dance' }, 'command'],
  [{ command: 'disconnect' }, 'payload'],
  [{ command: 'disconnect', payload: null }, 'payload'],
  [{ command: 'disconnect', payload: [] }, 'payload'],
  [{ command: 'disconnect', payload: {} }, 'payload.identifier'],
  [{ command: 'disconnect', payload: { identifier: null } }, 'payload.identifier'],
  [{ command: 'disconnect', payload: { identifier: 'x', reconnect: 'yes' } }, 'reconnect'],
  [{ command: null, stream: null }, 'stream'],
  [[GOOD, { ...GOOD, data: null }], '[1].data'],
] as const) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  test(`the parser refuses a malformed publication, with the place of the fault: ${text || 'nothing'}`, () => {
    assert.throws(
      () => parseRequest(text),
      (error: unknown) =>
        error instanceof RequestRefused && error.code === 'publication_malformed' && error.message.includes(complaint),
    )
  })
}

test('the parser takes an id of 1 to 64 characters unchanged', () => {
  for (const id of ['a', ' ', '\n', '0', 'x'.repeat(64), '🔑'.repeat(64)]) {
    const request = parseRequest(JSON.stringify({ ...GOOD, meta: { id } }))
    assert.deepEqual(request, { publications: [{ stream: 'a', message: '1', transient: false, id }] })
  }
})

test('a remote disconnect asks a client to reconnect only if the backend says so', () => {
  const parse = (payload: object) => parseRequest(JSON.stringify({ command: 'disconnect', payload }))

  assert.deepEqual(parse({ identifier: 'x' }), { disconnect: { identity: 'x', reconnect: false } })
  assert.deepEqual(parse({ identifier: 'x', reconnect: true }), { disconnect: { identity: 'x', reconnect: true } })
})

const PLAIN = { publications: [{ stream: 'a', message: '1', transient: false }] }
const DISCONNECT = { disconnect: { identity: 'x', reconnect: false } }
for (const [body, expected] of [
  [{ ...GOOD, meta: null }, PLAIN],
  [{ ...GOOD, meta: [] }, PLAIN],
  [{ ...GOOD, meta: { exclude_socket: null, broadcast_type: null, transient: null, id: null } }, PLAIN],
  [{ ...GOOD, command: null, payload: null }, PLAIN],
  [[{ ...GOOD, meta: null }], PLAIN],
  [[{ ...GOOD, meta: [] }], PLAIN],
  [[{ ...GOOD, meta: { exclude_socket: null } }], PLAIN],
  [{ stream: null, data: null, command: 'disconnect', payload: { identifier: 'x' } }, DISCONNECT],
  [{ command: 'disconnect', payload: { identifier: 'x', reconnect: null } }, DISCONNECT],
] as const) {
  const text = JSON.stringify(body)
  test(`an optional field may be null, and meta may be []: ${text}`, () => {
    assert.deepEqual(parseRequest(text), expected)
  })
}

test('an optional field may be null in the body of /api/disconnect, too', () => {
  const parse = (body: object) => parseDisconnect(JSON.stringify(body))

  assert.deepEqual(parse({ identifier: 'x', sid: null, reconnect: null }), { identity: 'x', reconnect: false })
  assert.deepEqual(parse({ identifier: null, sid: 'y', reconnect: true }), { sid: 'y', reconnect: true })
  assert.throws(() => parse({ identifier: null, sid: null }), /identifier must be a string/)
})
