import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { WebSocketServer } from 'ws'
import { createFrameReader, PING, TEXT } from './frames.ts'
import { openSocket } from './open-socket.ts'

/** A frame as servers send it, without a mask. */
function sent(opcode: number, payload: Buffer, { isLast = true } = {}): Buffer {
  const { length } = payload
  const size =
    length < 126
      ? Buffer.from([length])
      : length < 65_536
        ? Buffer.from([126, length >> 8, length & 255])
        : long(length)
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode]), size, payload])
}

function long(length: number): Buffer {
  const size = Buffer.alloc(9, 127)
  size.writeBigUInt64BE(BigInt(length), 1)
  return size
}

const read = (chunks: readonly Buffer[]) => {
  const next = createFrameReader()
  return chunks.flatMap(next).map(({ opcode, payload }) => [opcode, payload.toString()] as const)
}

for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
  test(`a message of ${length} bytes is read, also byte by byte at its head`, () => {
    const text = 'x'.repeat(length)
    const bytes = sent(TEXT, Buffer.from(text))

    assert.deepEqual(read([bytes]), [[TEXT, text]])
    assert.deepEqual(read([...Array.from(bytes.subarray(0, 12), byte => Buffer.of(byte)), bytes.subarray(12)]), [
      [TEXT, text],
    ])
  })
}

test('a fragmented message is read whole, with a ping between its parts', () => {
  const chunks = [
    sent(TEXT, Buffer.from('one '), { isLast: false }),
    sent(PING, Buffer.from('?')),
    sent(0, Buffer.from('two')),
    sent(TEXT, Buffer.from('three')),
  ]

  assert.deepEqual(read([Buffer.concat(chunks)]), [
    [PING, '?'],
    [TEXT, 'one two'],
    [TEXT, 'three'],
  ])
})

for (const length of [0, 125, 126, 65_000]) {
  test(`a server understands a frame with ${length} bytes`, async t => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.after(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const visit = await openSocket(new URL(`ws://127.0.0.1:${port}`), {
      origin: 'http://a',
      protocols: ['a'],
      timeoutMs: 60_000,
    })
    assert.ok(visit.kind === 'open')
    t.after(() => visit.conversation.close())
    const [client] = server.clients
    const heard = once(client!, 'message')

    visit.conversation.send({ text: 'x'.repeat(length) })

    assert.equal(JSON.parse(String((await heard)[0])).text.length, length)
  })
}
