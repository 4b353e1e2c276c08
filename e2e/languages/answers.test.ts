/**
 * Every helper reads answers that are unusual but valid (after a 1xx, in chunks, on a connection that stays open), and ends
 * those that never end: within its time-out, with the connection closed, and with bounded memory.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { ProgramAnswer } from '../../backends/check/program.ts'
import { describeHelpers, fails, succeeds } from '../../backends/harness/every-helper.ts'
import { known } from '../../backends/harness/within.ts'

const CREATED = 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n'
const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </board.css>; rel=preload\r\n\r\n'
const chunked = (status: number, ...chunks: string[]) =>
  `HTTP/1.1 ${status} \r\nTransfer-Encoding: chunked\r\n\r\n` +
  [...chunks, ''].map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')

const WHOLE: Record<string, string> = {
  'with its length': CREATED,
  'in chunks': chunked(201, '{"a":', '1}'),
  'after Early Hints': HINTS + CREATED,
  'after a 102 and Early Hints': `HTTP/1.1 102 Processing\r\n\r\n${HINTS}${CREATED}`,
}

/** The beginning of each answer, and the bytes that follow for ever. */
const ENDLESS: Record<string, readonly [start: string, more: string]> = {
  head: ['HTTP/1.1 413 \r\nX: ', 'x'],
  heads: ['HTTP/1.1 413 \r\n', 'X: x\r\n'],
  hints: ['', HINTS],
  body: ['HTTP/1.1 413 \r\n\r\n', 'x'],
  chunks: ['HTTP/1.1 413 \r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\nx\r\n'],
  'chunk extension': ['HTTP/1.1 413 \r\nTransfer-Encoding: chunked\r\n\r\n1;', 'x'],
}
const MIB = 2 ** 20
const ignore = () => {}

describeHelpers('an answer', helper => {
  for (const [how, answer] of Object.entries(WHOLE))
    test(`is complete on a connection that stays open: ${how}`, async () => {
      helper.cable.onHead = socket => void socket.write(answer)
      // A helper that waited for the end of the connection would wait for this time-out.
      succeeds(await helper.broadcast({ timeout: 60 }))
    })

  test('has its reason, in chunks on a connection that stays open', async () => {
    helper.cable.onHead = socket => void socket.write(HINTS + chunked(413, '{"error":', '"too_large"}'))
    fails(await helper.broadcast({ timeout: 60 }), /the cable answered 413: \{"error":"too_large"\}$/)
  })

  test('has its position, in chunks on a connection that stays open', async () => {
    helper.cable.onHead = socket => void socket.write(HINTS + chunked(200, '{"position":"7/', 'test"}'))
    assert.deepEqual(await known(() => helper.position('board/1')), { result: '7/test' })
  })

  for (const [what, [start, more]] of Object.entries(ENDLESS)) {
    test(`that drips is cut off, and the helper closes the connection: ${what}`, async () => {
      const { answer, closed } = await answering(socket => {
        let at = 0
        const all = start + more.repeat(1000)
        const drip = setInterval(() => socket.write(all[at++]!), 10)
        socket.once('close', () => clearInterval(drip))
      })
      fails(answer, /the cable answered (nothing|413)/)
      await closed
    })

    test(`that floods is cut off, and does not fill the memory: ${what}`, async t => {
      const before = peak()
      const { answer, closed } = await answering(socket => {
        const flood = Buffer.from(more.repeat(MIB / more.length))
        const pour = () => {
          while (socket.writable && socket.write(flood));
          socket.once('drain', pour)
        }
        socket.write(start)
        pour()
      })
      fails(answer, /the cable answered (nothing|413)/)
      await closed
      const grown = peak() - before
      t.diagnostic(`${Math.round(grown / MIB)} MiB`)
      assert.ok(grown < 100 * MIB, `it grew by ${Math.round(grown / MIB)} MiB`)
    })
  }

  async function answering(
    answer: (socket: Socket) => void,
  ): Promise<{ answer: ProgramAnswer; closed: Promise<unknown> | undefined }> {
    let closed: Promise<unknown> | undefined
    helper.cable.onHead = socket => {
      closed = new Promise(resolve => socket.on('error', ignore).once('close', resolve))
      answer(socket)
    }
    return { answer: await helper.broadcast({ timeout: 0.5 }), closed }
  }

  /** The most memory that the program ever used; 0 if the system does not say. */
  function peak(): number {
    const file = `/proc/${helper.program.pid}/status`
    return existsSync(file) ? Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) * 1024 : 0
  }
})

describeHelpers('a page with 60 streams', helper => {
  test('asks for its position once, and each of its streams starts there', async () => {
    const streams = Array.from({ length: 60 }, (_, at) => `card/${at}`)
    const asked = new Map<string | null, number>()
    helper.cable.onPosition = stream => {
      asked.set(stream, (asked.get(stream) ?? 0) + 1)
      return stream === null ? '9/test' : '8/test'
    }
    // (An answer that comes after 250 ms is unknown, and the test asks again.)
    const position = async (...streams: string[]) => {
      let times = 0
      const answer = await known(() => {
        times++
        return helper.position(...streams)
      })
      return { answer, times }
    }

    const one = await position(...streams)
    assert.deepEqual(one.answer, { result: '8/test' })
    for (const stream of streams) {
      const tag = await helper.program.ask({ do: 'stream_from', stream, position: '8/test', secret: 's' })
      assert.match(JSON.stringify(tag), /data-position=\\"8\/test\\"/)
    }
    const other = await position()
    assert.deepEqual(other.answer, { result: '9/test' })

    assert.deepEqual([...asked.keys()], ['card/0', null])
    assert.ok(asked.get('card/0')! <= one.times && asked.get(null)! <= other.times, JSON.stringify([...asked]))
  })
})
