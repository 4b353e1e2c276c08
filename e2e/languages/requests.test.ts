/** Bytes that are not a request, and requests that never end, in every language: one connection fails, and no other client notices. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { staysAlive } from '../../backends/harness/board-answers.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'
import { within } from '../../backends/harness/within.ts'

const boards = startBoards()

eachBoard(backend => {
  const board = () => boards.get(backend)
  staysAlive(board)

  test('a Board answers or closes after bytes that are not a request, and no other client notices', async () => {
    const form = (length: string) =>
      `POST /cards HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\nbody=hello12`
    for (const length of ['abc', '-5', '+5', '0x10', '', '12, 12', '99999999999999999999']) {
      const answered = await board().raw(form(length), 1000)
      assert.match(answered, /^$|^HTTP\/1.[01] 4\d\d /, `Content-Length: ${length}`)
    }
    for (const bytes of [
      '\x16\x03\x01\x02\0',
      'GET\r\n\r\n',
      'GET / HTTP/9.9\r\n\r\n',
      'GET /\xff\xfe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    ]) {
      assert.doesNotMatch(await board().raw(bytes, 1000), /^HTTP\/1.[01] 500|Traceback|\.(py|php|rb|ts):\d+/)
    }
    assert.deepEqual(boards.cards(), [])
  })

  test('a client that never finishes its form delays no other client', async t => {
    for (let i = 0; i < 8; i++) {
      const socket = connect(board().port, '127.0.0.1').on('error', () => {})
      socket.write('POST /cards HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nbody=')
      t.after(() => socket.destroy())
    }
    await within(2000, () => board().ask('/'))
    assert.deepEqual(boards.cards(), [])
  })
})
