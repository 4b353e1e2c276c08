/** Boards take a path as the client sent it: neither a Board nor web takes a part of it for a host, or drops a slash. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BoardProcess } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { eachBoard, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

const NOWHERE = [
  '//',
  '//x',
  '//health',
  '///health',
  '//evil.test/health',
  '/%2fhealth',
  '/%2Fevil.test/health',
  '/%5cevil.test/health',
  '/x//health',
  '/health/',
  '/;/health',
  '/@evil.test/health',
  '/http://evil.test/health',
]

eachBoard(backend => {
  tests(() => boards.get(backend), '')
  if (!differences(backend).isOrigin)
    describe('mounted by web', () => tests(() => boards.get('typescript'), `/${backend}`))

  function tests(board: () => BoardProcess, mount: string): void {
    // A framework drops slashes that it finds superfluous.
    for (const path of NOWHERE.filter(
      path => !differences(backend).isFramework || !/^\/\/+(health)?$|\/$/.test(path),
    )) {
      test(`the Board has no page at ${mount}${path}`, async () => {
        const { status, body } = await board().ask(`${mount}${path}`)

        assert.equal(status, 404, body)
      })
    }

    test('the Board does not take a backslash for a slash', async () => {
      const { status } = await board().ask(`${mount}/\\health`)

      assert.ok(status === 400 || status === 404, `${status}`)
    })
  }
})
