/** How a Board ends, in every language: at SIGTERM, with exit code 0, after the forms in flight. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../backends/harness/board-answers.ts'
import { startBoard } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { BOARDS, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

test('a Board ends at SIGTERM with exit code 0, after the forms in flight, and frees its port', async t => {
  for (const backend of boards.running.keys()) {
    const { broadcastsLater, endsBySignal } = differences(backend)
    const board = await startBoard(BOARDS[backend]!.board, boards.env)
    t.after(() => board.stop())
    const { promise: underWay, resolve: begun } = Promise.withResolvers<void>()
    boards.cable.onBroadcast = () => {
      begun()
      // The Board retries, so the form stays in flight for 100 ms more.
      return broadcastsLater ? 201 : 503
    }
    const posted = board.post('/cards', { body: `the last of ${backend}` }).catch(() => undefined)
    await underWay
    boards.cable.onBroadcast = () => 201
    const { code, signal, ms } = await board.stop()
    t.diagnostic(`${backend} ended after ${Math.round(ms)} ms`)
    const answer = await posted
    if (endsBySignal) {
      assert.equal(signal, 'SIGTERM')
    } else {
      assert.deepEqual([backend, code, answer?.status], [backend, 0, 303])
      assert.match(boards.cable.received.pop()?.body ?? '', new RegExp(`the last of ${backend}`))
    }
    assert.ok(ms < 20_000, `${backend} took ${ms} ms`)
    await until(
      () =>
        board.ask('/health').then(
          () => false,
          () => true,
        ),
      `${backend}'s port is free`,
    )
  }
})
