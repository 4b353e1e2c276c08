import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { BoardLocked, openBoard } from './board.ts'
import { boardPath, lock } from './testing.ts'

const run = promisify(execFile)
const card = { body: 'Hello', author: 'Ada', backend: 'typescript' }

test('the store keeps cards, oldest first', async t => {
  const path = boardPath(t)
  const board = await openBoard(path)
  const [first, second] = await Promise.all([board.add(card), board.add({ ...card, body: '<b> "é" 🎉' })])
  board.close()

  const again = await openBoard(path)
  t.after(() => again.close())

  assert.deepEqual(await again.cards(), [first, second])
  assert.match(first.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
})

test('a vote counts once, and a deleted card cannot get one', async t => {
  const board = await openBoard(boardPath(t))
  t.after(() => board.close())
  const { id } = await board.add(card)

  assert.equal((await board.vote(id))?.votes, 1)
  assert.equal((await board.vote(id))?.votes, 2)
  assert.equal(await board.remove(id), true)
  assert.equal(await board.vote(id), undefined)
  assert.equal(await board.remove(id), false)
})

test('the store never uses an id twice', async t => {
  const board = await openBoard(boardPath(t))
  t.after(() => board.close())
  const { id } = await board.add(card)
  await board.clear()

  assert.ok((await board.add(card)).id > id)
})

test('many processes may open a new file at once, and write to it', async t => {
  const path = boardPath(t)
  const script = `
    import { openBoard } from ${JSON.stringify(import.meta.resolve('./board.ts'))}
    const board = await openBoard(${JSON.stringify(path)})
    for (let n = 0; n < 20; n++) await board.add({ body: 'x', author: 'y', backend: 'z' })
    board.close()`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  await Promise.all(Array.from({ length: 5 }, () => run(process.execPath, args)))

  const board = await openBoard(path)
  t.after(() => board.close())
  assert.equal((await board.cards()).length, 100)
})

test('changes wait in order for the lock of another program, and reads do not wait', async t => {
  const path = boardPath(t)
  const board = await openBoard(path)
  t.after(() => board.close())
  const unlock = lock(t, path)

  const written = ['first', 'second', 'third'].map(body => board.add({ ...card, body }))
  const read = await board.cards()
  unlock()

  assert.deepEqual(read, [])
  assert.deepEqual(
    (await Promise.all(written)).map(({ id, body }) => [id, body]),
    [
      [1, 'first'],
      [2, 'second'],
      [3, 'third'],
    ],
  )
})

test('a change fails if a lock lasts, and the next change works', async t => {
  const path = boardPath(t)
  const board = await openBoard(path, { patienceMs: 30 })
  t.after(() => board.close())
  const unlock = lock(t, path)

  await assert.rejects(board.add(card), BoardLocked)
  unlock()

  assert.equal((await board.add(card)).id, 1)
})
