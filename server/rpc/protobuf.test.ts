import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { MESSAGES } from './messages.ts'
import { decode, encode, type Fields, type Kind } from './protobuf.ts'

const PROTO = readFileSync(join(import.meta.dirname, 'rpc.proto'), 'utf8')
const { root } = protobuf.parse(PROTO, { keepCase: true })
const ENV = { url: 'http://x/cable?a=é', headers: { cookie: 'a=1' }, cstate: {}, istate: { $w: 'chat' } }
const COMMAND = {
  command: 'message',
  identifier: '{"channel":"A"}',
  connection_identifiers: '',
  data: '"🦄"',
  env: ENV,
}
const RESPONSE = {
  status: 2,
  disconnect: true,
  stop_streams: false,
  streams: ['a', ''],
  transmissions: ['{}'],
  error_msg: '',
  env: { cstate: { __proto: 'x', '': '' }, istate: {} },
  stopped_streams: [],
  presence: { type: 'join', id: '1', info: '', ttl: 300 },
}

const kindOf = (field: protobuf.Field): string => {
  if (field instanceof protobuf.MapField) return 'map'
  const type = field.type === 'uint32' || field.type === 'Status' ? 'number' : field.type
  return field.repeated ? `${type}s` : type
}

const nameOf = (kind: Kind): string => {
  if (typeof kind === 'string') return kind
  const [name] = Object.entries(MESSAGES).find(([, fields]) => (fields as Fields) === kind.fields)!
  return name
}

test('every message has the fields of rpc.proto', () => {
  const messages = root.lookup('anycable') as protobuf.Namespace
  const written = messages.nestedArray.filter(type => type instanceof protobuf.Type)

  assert.deepEqual(Object.keys(MESSAGES).sort(), written.map(({ name }) => name).sort())
  for (const { name, fieldsArray } of written)
    assert.deepEqual(
      Object.entries<Fields[string]>(MESSAGES[name as keyof typeof MESSAGES]).map(([name, [number, kind]]) => [
        name,
        number,
        nameOf(kind),
      ]),
      fieldsArray.map(field => [field.name, field.id, kindOf(field)]),
      name,
    )
})

test('another library reads what we write, and we read what it writes', () => {
  const [request, response] = [root.lookupType('CommandMessage'), root.lookupType('CommandResponse')]

  const read = request.toObject(request.decode(encode(MESSAGES.CommandMessage, COMMAND)), { defaults: true })

  assert.deepEqual(read, COMMAND)
  const bytes = Buffer.from(response.encode(response.fromObject(RESPONSE)).finish())
  assert.deepEqual(decode(MESSAGES.CommandResponse, bytes), RESPONSE)
})

test('what is absent is empty, and presence stays absent', () => {
  assert.deepEqual(decode(MESSAGES.CommandResponse, Buffer.alloc(0)), {
    status: 0,
    disconnect: false,
    stop_streams: false,
    streams: [],
    transmissions: [],
    error_msg: '',
    env: { cstate: {}, istate: {} },
    stopped_streams: [],
    presence: undefined,
  })
})

test('a field that we do not know of any wire type is skipped', () => {
  const unknown = [0x78, 1, 0x7a, 1, 9, 0x79, ...Array(8).fill(9), 0x7d, ...Array(4).fill(9)]

  assert.deepEqual(decode(MESSAGES.DisconnectResponse, Buffer.from([...unknown, 8, 1])), { status: 1, error_msg: '' })
})

test('a name that means something to JavaScript is a name', () => {
  const { cstate } = decode(
    MESSAGES.EnvResponse,
    encode(MESSAGES.EnvResponse, { cstate: Object.fromEntries([['__proto__', 'x']]), istate: {} }),
  )

  assert.deepEqual(Object.entries(cstate as object), [['__proto__', 'x']])
})

for (const [about, ...bytes] of [
  ['a number that is cut short', 8],
  ['a number that is too long', 8, ...Array(11).fill(0x80)],
  ['a text that is cut short', 0x12, 5, 97],
  ['a length beyond every buffer', 0x12, 255, 255, 255, 255, 255, 255, 255, 127],
  ['a text that is not UTF-8', 0x12, 1, 0xff],
  ['a number where text should be', 0x10, 1],
  ['text where a number should be', 0x0a, 1, 97],
  ['a wire type that does not exist', 0x0f],
] as const)
  test(`bytes are refused: ${about}`, () => {
    assert.throws(() => decode(MESSAGES.DisconnectResponse, Buffer.from(bytes as readonly number[] as number[])))
  })

test('1 MiB of empty texts are read in linear time', () => {
  const bytes = Buffer.alloc(2 ** 20)
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x2a

  assert.equal((decode(MESSAGES.CommandResponse, bytes).transmissions as string[]).length, bytes.length / 2)
})
