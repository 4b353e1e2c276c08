/** The Boards of all languages on one file and one cable: no change is lost, and a card looks the same on every page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announced, isSentTo, store, takeBroadcasts } from '../../backends/harness/board-answers.ts'
import { alike } from '../../backends/harness/board-page.ts'
import { startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

test('the Boards store and broadcast all cards that visitors post at once in all languages', async () => {
  const each = 20
  await Promise.all(
    [...boards.running].flatMap(([backend, board]) =>
      Array.from({ length: each }, async (_, i) =>
        isSentTo(await board.post('/cards', { body: `${backend} ${i}` }), '/'),
      ),
    ),
  )
  assert.equal(boards.cards().length, each * boards.running.size)
  await announced(boards, each * boards.running.size)
  assert.equal(new Set(takeBroadcasts(boards)).size, each * boards.running.size)
})

test('the Boards count all votes that visitors give at once in all languages', async () => {
  const { id } = store(boards, { body: 'popular' })
  await Promise.all(
    [...boards.running.values()].flatMap(board => Array.from({ length: 10 }, () => board.post(`/cards/${id}/vote`))),
  )
  assert.equal(boards.cards()[0]!.votes, 10 * boards.running.size)
})

test('a card looks the same on the pages of all languages', async () => {
  for (const [backend, board] of boards.running)
    await board.post('/cards', { body: `<${backend}> & 'co'`, author: '"' })
  const lists = await Promise.all(
    [...boards.running.values()].map(async board =>
      alike(/<ol id="cards">[\s\S]*<\/ol>/.exec((await board.ask('/')).body)![0]),
    ),
  )
  assert.equal(new Set(lists).size, 1)
})
