import assert from 'node:assert/strict'
import { test } from 'node:test'
import { broadcastPrefix, confirmSubscription, disconnect, PONG, ping, welcome } from './action-cable.ts'
import { formatEvent, formatLastEventId, formatTransmission, readEventId } from './event.ts'
import { rejectHistory } from './extended.ts'
import { payloadsOf, textFrame } from './frame.ts'
import { payloadOf, storedPayload } from './payload.ts'

const WHOLE = { raw: false, unwrapped: false }
const MESSAGE = { raw: false, unwrapped: true }
const RAW = { raw: true, unwrapped: true }
/** An identifier that holds every text at which we cut a frame. */
const IDENTIFIER = '{"channel":"c","message":1,"stream_id":"x","epoch":"y","offset":3}'

const text = (frame: Buffer): string => [...payloadsOf(frame)].join('')
const plain = (message: string, type?: string) => text(textFrame(broadcastPrefix(IDENTIFIER, type), payloadOf(message)))
const placed = (message: string, stream = 'board/1', type?: string) =>
  text(textFrame(broadcastPrefix(IDENTIFIER, type), storedPayload(message, stream, { offset: 12, epoch: 'aZ3x' })))

for (const [about, message, data] of [
  ['HTML', '"<b>one</b>"', 'data: <b>one</b>\n'],
  ['an empty string', '""', 'data: \n'],
  ['a string of several lines', '"a\\n\\ndata: b\\r\\nc\\rd"', 'data: a\ndata: \ndata: data: b\ndata: c\ndata: d\n'],
  ['a string with white space around it', ' \r\n"a"\n', 'data: a\n'],
  ['an object', '{"a":1}', 'data: {"a":1}\n'],
  ['an object on several lines', '{\r\n"a":\r1\n}', 'data: {\ndata: "a":\ndata: 1\ndata: }\n'],
  ['a number that JavaScript cannot hold', '12345678901234567890.10', 'data: 12345678901234567890.10\n'],
  ['what a frame is cut at', '{"message":",\\"stream_id\\":","stream_id":"s","epoch":"e","offset":7}', undefined],
  ['that as a string', JSON.stringify('{"x":1,"stream_id":"s","epoch":"e","offset":7}'), undefined],
  ['JSON of any depth', '['.repeat(100_000) + ']'.repeat(100_000), undefined],
] as const) {
  test(`a message is sent unchanged, with an id if it has a position: ${about}`, () => {
    const lines = data ?? `data: ${message.startsWith('"') ? JSON.parse(message) : message}\n`

    assert.equal(formatEvent(plain(message), MESSAGE), `${lines}\n`)
    assert.equal(formatEvent(placed(message), MESSAGE), `${lines}id: 12/aZ3x/board/1\n\n`)
    const frame = placed(message).replace(/\r\n|\r|\n/g, '\ndata: ')
    assert.equal(formatEvent(placed(message), WHOLE), `data: ${frame}\nid: 12/aZ3x/board/1\n\n`)
  })
}

test('a frame with a type is an event of that name, and its data is the whole frame', () => {
  for (const [type, frame] of [
    ['welcome', text(welcome('1', false))],
    ['confirm_subscription', text(confirmSubscription(IDENTIFIER))],
    ['pong', text(PONG)],
    ['ping', text(ping(0))],
    ['presence', plain('{"type":"join","id":"a"}', 'presence')],
  ] as const)
    assert.equal(formatEvent(frame, MESSAGE), `event: ${type}\ndata: ${frame}\n\n`)

  const frame = placed('"x"', 'board/1', 'of, "mine"')
  assert.equal(formatEvent(frame, MESSAGE), `event: of, "mine"\ndata: ${frame}\nid: 12/aZ3x/board/1\n\n`)
  assert.match(formatEvent(plain('1', 'a\r\ndata: b'), MESSAGE), /^event: a data: b\ndata: \{.*\}\n\n$/)
})

for (const type of ['a,', 'a,"', 'a\\', '\\","', '"', ',"message":', '\u2028,', '{"type":"ping"}']) {
  test(`an event is named after its frame's type, even if the type ends like a frame: ${JSON.stringify(type)}`, () => {
    const [name, ...rest] = formatEvent(placed('"x"', 'board/1', type), MESSAGE).split('\n')

    assert.equal(name, `event: ${type}`)
    assert.deepEqual(rest, [`data: ${placed('"x"', 'board/1', type)}`, 'id: 12/aZ3x/board/1', '', ''])
  })
}

test('a raw client gets broadcasts, comments, gaps, and a retry that keeps it away', () => {
  assert.equal(formatEvent(placed('"x"'), RAW), 'data: x\nid: 12/aZ3x/board/1\n\n')
  assert.equal(formatEvent(text(ping(0)), RAW), ':\n\n')
  assert.match(formatEvent(text(rejectHistory(IDENTIFIER)), RAW), /^event: reject_history\n/)
  assert.equal(formatEvent(text(disconnect('remote', false)), RAW), 'retry: 31536000000\n\n')
  for (const other of [welcome('1', false), confirmSubscription(IDENTIFIER), disconnect('server_restart', false)])
    assert.equal(formatEvent(text(other), RAW), '')
})

test('only a disconnect without reconnect keeps a browser away', () => {
  assert.match(formatEvent(text(disconnect('remote', true)), MESSAGE), /\nretry: 31536000000\n\n$/)
  assert.doesNotMatch(formatEvent(text(disconnect('server_restart', true)), MESSAGE), /retry/)
  assert.doesNotMatch(formatEvent(plain('{"reconnect":false}', 'disconnect'), MESSAGE), /retry/)
})

for (const stream of ['board/1', 'a/b/c', ' spaced ', '100%', '%41', 'é/日本', '👍', 'two\nlines\r\0', '/', '"']) {
  test(`the stream in an id survives a header: ${JSON.stringify(stream)}`, () => {
    const id = /^id: ([!-~]+)\n\n$/.exec(formatLastEventId(stream, { offset: 3, epoch: 'e9_' }))?.[1]

    assert.deepEqual(readEventId(id), { stream, position: { offset: 3, epoch: 'e9_' } })
    assert.ok(formatEvent(placed('1', stream), RAW).endsWith(`\nid: ${id?.replace('3/e9_', '12/aZ3x')}\n\n`))
  })
}

test('a foreign or malformed id is unknown, or keeps its stream and position', () => {
  const latin1 = Buffer.from('3/e/é').toString('latin1')
  assert.deepEqual(readEventId(latin1), { stream: 'é', position: { offset: 3, epoch: 'e' } })
  for (const none of [undefined, '']) assert.equal(readEventId(none), undefined)
  for (const id of [
    'x',
    '3',
    '3/e',
    '3/e/',
    '/e/s',
    '-1/e/s',
    '1.5/e/s',
    '-',
    `${'9'.repeat(16)}/e/s`,
    '3/e/%',
    '3//s',
  ])
    assert.equal(readEventId(id), 'unknown', id)
})

for (const [about, text, unwrapped, whole] of [
  [
    'its type last, as Rails writes it',
    '{"identifier":"x","type":"confirm_subscription"}',
    'event: confirm_subscription\ndata: {"type":"confirm_subscription","identifier":"x"}\n\n',
    'event: confirm_subscription\ndata: {"type":"confirm_subscription","identifier":"x"}\n\n',
  ],
  [
    'a message',
    '{"message":"a\\nb","identifier":"x"}',
    'data: a\ndata: b\n\n',
    'data: {"identifier":"x","message":"a\\nb"}\n\n',
  ],
  ['neither', '{"a":\n1}', 'data: {"a":\ndata: 1}\n\n', 'data: {"a":\ndata: 1}\n\n'],
  ['no JSON', 'hello\r\n', 'data: hello\ndata: \n\n', 'data: hello\ndata: \n\n'],
  [
    'a farewell',
    '{"reconnect":false,"reason":"bye","type":"disconnect"}',
    'event: disconnect\ndata: {"type":"disconnect","reason":"bye","reconnect":false}\nretry: 31536000000\n\n',
    'event: disconnect\ndata: {"type":"disconnect","reason":"bye","reconnect":false}\nretry: 31536000000\n\n',
  ],
] as const) {
  test(`a transmission of an application with ${about} becomes an event`, () => {
    assert.equal(formatTransmission(text, { raw: false, unwrapped: true }), unwrapped)
    assert.equal(formatTransmission(text, { raw: false, unwrapped: false }), whole)
  })
}
