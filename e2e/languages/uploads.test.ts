/** Forms that break off: the Board adds no card, logs no stack, and serves the other clients. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import type { BoardProcess } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, news, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

const TYPE = 'Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\n'

const BROKEN: Record<string, string> = {
  'a body that is shorter than its Content-Length': `${TYPE}Content-Length: 100\r\n\r\nbody=x`,
  'a body that never begins': `${TYPE}Content-Length: 100\r\n\r\n`,
  'a body of 70,000 bytes that breaks off': `${TYPE}Content-Length: 70000\r\n\r\nbody=${'x'.repeat(60_000)}`,
  'a chunk that breaks off': `${TYPE}Transfer-Encoding: chunked\r\n\r\n64\r\nbody=x`,
  'chunks that break off between two': `${TYPE}Transfer-Encoding: chunked\r\n\r\n6\r\nbody=x\r\n`,
  'chunks without a length': `${TYPE}Transfer-Encoding: chunked\r\n\r\nzz\r\nbody=x\r\n0\r\n\r\n`,
}

eachBoard(backend => {
  tests(() => boards.get(backend), '')
  if (!differences(backend).isOrigin)
    describe('mounted by web', () => tests(() => boards.get('typescript'), `/${backend}`))
})

function tests(board: () => BoardProcess, mount: string): void {
  for (const [what, rest] of Object.entries(BROKEN)) {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      test(`${what} adds no card and logs no stack (${end})`, async () => {
        const before = [...boards.running.values()].map(news)
        const socket = connect(board().port, '127.0.0.1').on('error', () => {})
        await once(socket, 'connect')
        let answered = ''
        socket.setEncoding('latin1').on('data', some => {
          answered += some
        })
        await new Promise(resolve => socket.write(`POST ${mount}/cards HTTP/1.1\r\n${rest}`, resolve))
        socket[end]()
        await once(socket, 'close')

        assert.match(answered, /^$|^HTTP\/1.[01] 4\d\d /)
        assert.equal((await board().ask(`${mount}/health`)).body, 'ok')
        assert.deepEqual(boards.cards(), [])
        // Puma logs one line about chunks that it cannot read.
        for (const [at, said] of [...boards.running.values()].map(news).entries())
          assert.match(said.slice(before[at]!.length), /^([^\n]*Puma::HttpParserError[^\n]*\n)?$/)
      })
    }
  }
}
