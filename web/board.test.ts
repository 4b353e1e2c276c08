import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openBoard } from './board.ts'
import { boardPath } from './testing.ts'

const run = promisify(execFile)
const card = { body: 'Hello', author: 'Ada', backend: 'typescript' }

test('cards are kept, oldest first', t => {
  const path = boardPath(t)
  const board = openBoard(path)
  const [first, second] = [board.add(card), board.add({ ...card, body: '<b> "é" 🎉' })]
  board.close()

  const again = openBoard(path)
  t.after(() => again.close())

  assert.deepEqual(again.cards(), [first, second])
  assert.match(first.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

test('a vote counts once, and a card that is gone takes none', t => {
  const board = openBoard(boardPath(t))
  t.after(() => board.close())
  const { id } = board.add(card)

  assert.equal(board.vote(id)?.votes, 1)
  assert.equal(board.vote(id)?.votes, 2)
  assert.equal(board.remove(id), true)
  assert.equal(board.vote(id), undefined)
  assert.equal(board.remove(id), false)
})

test('an id is never used twice', t => {
  const board = openBoard(boardPath(t))
  t.after(() => board.close())
  const { id } = board.add(card)
  board.clear()

  assert.ok(board.add(card).id > id)
})

test('many processes may open a new file at once, and write to it', async t => {
  const path = boardPath(t)
  const script = `
    import { openBoard } from ${JSON.stringify(import.meta.resolve('./board.ts'))}
    const board = openBoard(${JSON.stringify(path)})
    for (let n = 0; n < 20; n++) board.add({ body: 'x', author: 'y', backend: 'z' })
    board.close()`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  await Promise.all(Array.from({ length: 5 }, () => run(process.execPath, args)))

  const board = openBoard(path)
  t.after(() => board.close())
  assert.equal(board.cards().length, 100)
})
