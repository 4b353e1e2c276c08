/** What clients and backends say in a sequence: what is allowed, what is rejected, what is ignored, what ends the connection. */
import { closeFrame, encode } from '../raw.ts'
import { sign } from '../signing.ts'
import { long, nested, print, Text } from './json.ts'

/** Bytes of a message; --max_message_size. */
const LARGEST_MESSAGE = 65_536

/** Numbers that a double cannot hold as they are. */
export const NUMBERS = ['-0', '1e400', '-1e400', '1e-400', '123456789012345678901234567890', '1.0'].map(
  json => new Text(json),
)

/** Answered by nothing. */
export const GARBAGE: readonly (string | Buffer)[] = [
  '',
  'hello',
  'null',
  '[]',
  '42',
  '{}',
  '{"command":',
  '{"command":1}',
  '{"command":"fly"}',
  '{"command":"toString","identifier":"__proto__"}',
  '{"command":"pong"}',
  '{"command":"subscribe","identifier":{}}',
  '{"command":"history","identifier":"not mine","history":{"since":1}}',
  '{"command":"whisper","identifier":"not mine","data":{}}',
  '{"command":"message","identifier":"not mine","data":"{}"}',
  print({ command: 'ping', x: nested(64) }),
  print({ command: 'ping', x: nested(32_000) }),
  print({ command: 'subscribe', identifier: 'x', presence: nested(5000) }),
  print({ command: 'whisper', identifier: 'not mine', data: long(65_000) }),
  print({ command: long(65_000), identifier: 'x' }),
  '['.repeat(LARGEST_MESSAGE),
  '"'.padEnd(LARGEST_MESSAGE, '\\'),
  '1e400',
  '{"command":1e400,"identifier":-0}',
  Buffer.from([0xff, 0x00, 0x80]),
  Buffer.from('{"command":"pong"}'),
  Buffer.alloc(0),
]

/** Rejected, with the identifier they came with. */
export const REJECTED: readonly ((stream: string) => string)[] = [
  () => '',
  () => 'chat',
  () => 'null',
  () => '{"channel":"ChatChannel"}',
  () => '{"channel":"$pubsub"}',
  () => JSON.stringify({ channel: '$pubsub', signed_stream_name: 7 }),
  () => JSON.stringify({ channel: '$pubsub', x: 'x'.repeat(5000) }),
  stream => JSON.stringify({ channel: '$pubsub', stream_name: stream }),
  stream => print({ channel: '$pubsub', signed_stream_name: sign(stream), x: nested(64) }),
  () => print(nested(2000)),
  () => '['.repeat(4000),
  () => '1e400',
  () => print({ channel: '$pubsub', signed_stream_name: new Text('1e400') }),
  () => print({ channel: new Text('123456789012345678901234567890') }),
  () => print({ channel: long(60_000) }),
  stream => JSON.stringify({ channel: '$pubsub', signed_stream_name: sign(stream, 'another') }),
  stream => JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: `${sign(stream)}0` }),
  stream => JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign([stream]) }),
]

/** Closed with a code. */
export const FATAL: readonly (readonly [about: string, bytes: () => Buffer, code: number])[] = [
  ['an unmasked frame', () => encode('{}', { mask: false }), 1002],
  ['a reserved bit', () => encode('{}', { rsv: 0x10 }), 1002],
  ['an unknown opcode', () => encode('{}', { opcode: 3 }), 1002],
  ['a continuation of nothing', () => encode('{}', { opcode: 0 }), 1002],
  ['text that is not UTF-8', () => encode(Buffer.from([0xc3, 0x28])), 1007],
  ['a message over the limit', () => encode('x'.repeat(65_537)), 1009],
  ['a close', () => closeFrame(4321), 4321],
]

export const BAD_BROADCASTS: readonly string[] = [
  '',
  '{',
  'null',
  '[]',
  '[null]',
  '{"stream":"","data":"x"}',
  '{"stream":"a","data":1}',
  '{"stream":"a","data":"x","meta":[1]}',
  '{"stream":"a","data":"x","meta":{"id":""}}',
  '{"stream":"a","data":"x","meta":{"id":7}}',
  JSON.stringify({ stream: 'a', data: 'x', meta: { id: 'x'.repeat(65) } }),
  '{"stream":"a","data":"x","meta":{"key":""}}',
  JSON.stringify({ stream: 'a', data: '<turbo-stream action="append" target="x">', meta: { key: 'k' } }),
  '{"command":"fly"}',
  '{"command":"disconnect","payload":{}}',
]

/** What may be said to a stream. */
const BODIES: readonly Text[] = [
  ...['<b>é 🦄</b>', { a: [1, null] }, 0, false, '', [], '\u2028"\\\u0000'].map(body => new Text(print(body))),
  new Text(' [ 1 , "\\u0061" ] '.trim()),
  ...NUMBERS,
  nested(63),
  long(3_000),
]
/** Only a backend may have what it says arrive. */
export const BACKEND_BODIES = [...BODIES, nested(64), nested(5_000), long(60_000)]
export const WHISPERS = [...BACKEND_BODIES, new Text('null'), long(16_384), long(16_385)]
/** The longest is as long as a member may be: id and info have 4,096 bytes together. */
export const IDS = ['x', 'x', 'y', 'y', 'z', 'é"\u0000', 'x'.repeat(4_000), 'x'.repeat(5_000)]
/** Of publications. */
export const KEYS = ['k', 'é"\u0000', '🔑'.repeat(64)]
export const INFOS = [...NUMBERS, nested(62), nested(63), nested(5_000), long(96), long(4_095), long(4_097), undefined]
