/** Messages that no client should send: the cable ignores them, or closes with a legal code. */
import assert from 'node:assert/strict'
import { OPEN, SMALL } from '../flags.ts'
import { closeFrame, encode, type FrameOptions } from '../raw.ts'
import { pubsub } from '../signing.ts'
import type { Scenario, World } from '../world.ts'

type Outcome = 'ignored' | 'wedges'

/** AnyCable stops reading after a message that does not decode into its types. */
const rows: [about: string, message: string | Buffer, anycable: Outcome][] = [
  ['text that is not JSON', 'hello', 'wedges'],
  ['JSON that is cut short', '{"command":"ping"', 'wedges'],
  ['nothing', '', 'wedges'],
  ['a list', '[]', 'wedges'],
  ['a list of commands', '[{"command":"ping"}]', 'wedges'],
  ['a number', '42', 'wedges'],
  ['text', '"ping"', 'wedges'],
  ['null', 'null', 'ignored'],
  ['an empty object', '{}', 'ignored'],
  ['an unknown command', '{"command":"fly"}', 'ignored'],
  ['a command that every object has', '{"command":"constructor"}', 'ignored'],
  ['a command that is a number', '{"command":1}', 'wedges'],
  ['a command that is null', '{"command":null}', 'ignored'],
  ['an identifier that is an object', '{"command":"subscribe","identifier":{"channel":"$pubsub"}}', 'wedges'],
  ['an identifier that is a number', '{"command":"unsubscribe","identifier":1}', 'wedges'],
  ['a command of another case', '{"command":"PING"}', 'ignored'],
  [
    'a history command without a subscription',
    '{"command":"history","identifier":"x","history":{"since":1}}',
    'ignored',
  ],
  ['a whisper without a subscription', '{"command":"whisper","identifier":"x","data":1}', 'ignored'],
  ['a join without a subscription', '{"command":"join","identifier":"x","presence":{"id":"1"}}', 'ignored'],
  ['a leave without a subscription', '{"command":"leave","identifier":"x"}', 'ignored'],
  ['a presence id that is a number', '{"command":"join","identifier":"x","presence":{"id":1}}', 'wedges'],
  ['a very deep list', `{"command":"x","data":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'ignored'],
  ['a number that is too large', '{"command":"x","data":1e999}', 'wedges'],
  ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00, 0x80]), 'wedges'],
]

const messages = rows.map(([about, message, anycable]): Scenario => {
  const sent = async (world: World) => {
    const stream = world.stream()
    const client = await world.listening(pubsub(stream))
    client.send(message)
    return { stream, client }
  }
  return {
    title: `the cable ignores a message and the session goes on: ${about}`,
    flags: OPEN,
    async run(world) {
      const { client } = await sent(world)
      assert.deepEqual(await client.answers(), [])
    },
    ...(anycable === 'wedges'
      ? {
          differs: {
            anycable: 'never reads from that connection again, and does not say so',
            why: 'bug: the client gets broadcasts, and its commands are ignored',
            async run(world) {
              const { client, stream } = await sent(world)
              client.send({ command: 'ping' })
              assert.deepEqual(await world.everything(client, stream), [])
            },
          },
        }
      : {}),
  }
})

type Broken = [about: string, frames: (() => Buffer)[], code: number]
const ping = (options?: FrameOptions) => encode('{"command":"ping"}', options)

const broken: Broken[] = [
  ['a frame without a mask', [() => ping({ mask: false })], 1002],
  ['a reserved bit', [() => ping({ rsv: 0x20 })], 1002],
  ['compression without an agreement', [() => ping({ rsv: 0x40 })], 1002],
  ['an unknown opcode', [() => ping({ opcode: 5 })], 1002],
  ['an unknown control opcode', [() => ping({ opcode: 0xb })], 1002],
  ['a fragmented ping', [() => encode('x', { opcode: 9, fin: false })], 1002],
  ['a ping of 126 bytes', [() => encode('x'.repeat(126), { opcode: 9 })], 1002],
  ['a continuation of nothing', [() => encode('x', { opcode: 0 })], 1002],
  ['a text within a text', [() => encode('{', { fin: false }), () => ping()], 1002],
  ['a close of one byte', [() => encode('x', { opcode: 8 })], 1002],
  ['a close with a code that is not for the wire', [() => closeFrame(1006)], 1002],
  ['text that is not UTF-8', [() => encode(Buffer.from([0x7b, 0xff, 0x7d]))], 1007],
  ['a message over the limit', [() => encode('x'.repeat(65_537))], 1009],
  [
    'fragments that are over the limit together',
    [() => encode('x'.repeat(40_000), { fin: false }), () => encode('x'.repeat(40_000), { opcode: 0 })],
    1009,
  ],
]

const frames = broken.map(
  ([about, parts, code]): Scenario => ({
    title: `the cable closes the connection with ${code}: ${about}`,
    flags: OPEN,
    async run(world) {
      const { raw } = await world.raw()
      raw.write(...parts.map(part => part()))
      assert.equal(await raw.closeCode(), code)
    },
    ...(about === 'a close of one byte'
      ? {
          differs: {
            anycable: 'takes it for a close without a code',
            why: 'bug: RFC 6455 wants 1002',
            async run(world) {
              const { raw } = await world.raw()
              raw.write(...parts.map(part => part()))
              assert.equal(await raw.closeCode(), 1005)
            },
          },
        }
      : {}),
    ...(code === 1007
      ? {
          differs: {
            anycable: 'reads bad bytes as U+FFFD',
            why: 'bug: RFC 6455 wants 1007',
            async run(world) {
              const { raw } = await world.raw()
              raw.write(encode(Buffer.from('{"command":"ping","x":"\xff"}', 'latin1')))
              await raw.text()
              assert.equal(await raw.text(), '{"type":"pong"}')
            },
          },
        }
      : {}),
  }),
)

export const malformed: Scenario[] = [
  ...messages,
  ...frames,
  {
    title: 'the cable obeys a command in a binary frame',
    flags: OPEN,
    async run(world) {
      const client = await world.welcomed()
      client.send(Buffer.from('{"command":"ping"}'))
      assert.deepEqual(await client.next(), { type: 'pong' })
    },
  },
  {
    title: 'the cable obeys a command in many fragments, with a ping between them',
    flags: OPEN,
    async run(world) {
      const { raw } = await world.raw()
      const text = '{"command":"ping"}'
      raw.write(
        encode(text.slice(0, 3), { fin: false }),
        encode('probe', { opcode: 9 }),
        encode(text.slice(3, 9), { opcode: 0, fin: false }),
        encode('', { opcode: 0, fin: false }),
        encode(text.slice(9), { opcode: 0 }),
      )
      assert.match((await raw.text())!, /welcome/)
      const seen = [await raw.frame(), await raw.frame()].map(frame => [frame?.opcode, String(frame?.payload)])
      assert.deepEqual(seen, [
        [10, 'probe'],
        [1, '{"type":"pong"}'],
      ])
    },
  },
  {
    title: 'the cable obeys a command that comes byte by byte',
    flags: OPEN,
    async run(world) {
      const { raw } = await world.raw()
      await raw.text()
      for (const byte of encode('{"command":"ping"}')) raw.write(Buffer.from([byte]))
      assert.equal(await raw.text(), '{"type":"pong"}')
    },
  },
  {
    title: 'the cable reads a message at the limit, and none over it',
    flags: SMALL,
    async run(world) {
      const padded = (length: number) => '{"command":"ping"}'.padEnd(length, ' ')
      const client = await world.welcomed()
      client.send(padded(1000))
      assert.deepEqual(await client.next(), { type: 'pong' })
      client.send(padded(1001))
      assert.equal((await client.closed).code, 1009)
    },
  },
  {
    title: "the cable echoes a client's close",
    flags: OPEN,
    async run(world) {
      for (const code of [1000, 1001, 3000, 4999]) {
        const { raw } = await world.raw()
        raw.write(closeFrame(code))
        assert.equal(await raw.closeCode(), code)
      }
    },
  },
  {
    title: 'a client that misbehaves does not disturb the others',
    flags: OPEN,
    async run(world) {
      const stream = world.stream()
      const calm = await world.listening(pubsub(stream))
      const wild = await Promise.all(Array.from({ length: 10 }, () => world.raw()))
      for (const [at, { raw }] of wild.entries()) {
        raw.write(...broken[at]![1].map(part => part()))
        if (at % 2) raw.socket.resetAndDestroy()
      }
      await world.broadcast(stream, 'x')
      assert.equal((await calm.next()).message, 'x')
      assert.deepEqual(await calm.answers(), [])
    },
  },
]
