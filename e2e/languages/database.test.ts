/** How the Boards behave when another program locks their SQLite file, and when the file is not a database. */
import assert from 'node:assert/strict'
import { closeSync, mkdirSync, mkdtempSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { type BoardAnswer, MISCONFIGURED, runBoard, startBoard } from '../../backends/harness/board-process.ts'
import { differences } from '../../backends/harness/differences.ts'
import { BOARDS, news, startBoards } from '../../backends/harness/every-board.ts'

const boards = startBoards()

test('a form waits while another program writes, and the Board answers pages and /health meanwhile, in every language', async t => {
  lock(t)
  for (const [backend, board] of boards.running) {
    if (differences(backend).blocksWhileWaiting) continue

    const answered: string[] = []
    const answer = async (what: string, asked: Promise<BoardAnswer>) => {
      answered.push(`${what} ${(await asked).status}`)
    }

    const form = answer('form', board.post('/cards', { body: backend }))
    await answer('page', board.ask('/'))
    await answer('health', board.ask('/health'))
    boards.db.exec('COMMIT')
    await form
    boards.db.exec('BEGIN IMMEDIATE')

    assert.deepEqual([backend, ...answered], [backend, 'page 200', 'health 200', 'form 303'])
  }
  boards.db.exec('COMMIT')
  assert.deepEqual(
    boards.cards().map(({ body }) => body),
    [...boards.running.keys()].filter(backend => !differences(backend).blocksWhileWaiting),
  )
})

test('a Board answers a lock that lasts with 503, a reason and Retry-After, in every language', async t => {
  const before = [...boards.running.values()].map(news)
  lock(t)
  const answers = await Promise.all([...boards.running.values()].map(board => board.post('/cards', { body: 'x' })))
  boards.db.exec('COMMIT')

  for (const [at, [backend, board]] of [...boards.running].entries()) {
    const { status, headers, body } = answers[at]!
    assert.deepEqual([backend, status, headers['retry-after']], [backend, 503, '1'])
    assert.match(headers['content-type'] ?? '', /^text\/plain/)
    assert.match(body, /locked/)
    assert.equal(news(board), before[at], 'the log says nothing about a lock')
  }
  assert.deepEqual(boards.cards(), [])
})

const NO_DATABASE: Record<string, (folder: string) => string> = {
  'a file that is not a database': folder => {
    writeFileSync(join(folder, 'board.sqlite3'), 'not a database, '.repeat(1000))
    return join(folder, 'board.sqlite3')
  },
  'a folder that is a file': folder => {
    writeFileSync(join(folder, 'data'), '')
    return join(folder, 'data', 'board.sqlite3')
  },
  'a file that is a folder': folder => {
    mkdirSync(join(folder, 'board.sqlite3'))
    return join(folder, 'board.sqlite3')
  },
  // Not even root can create a file there.
  'a folder that cannot be written to': () =>
    process.platform === 'linux' ? '/proc/board.sqlite3' : '/dev/board.sqlite3',
}

for (const [what, make] of Object.entries(NO_DATABASE)) {
  test(`a Board reports ${what} in one line without a stack, and exits with a code that stops restarts, in every language`, async t => {
    await Promise.all([...boards.running.keys()].map(each))

    async function each(backend: string): Promise<void> {
      const folder = mkdtempSync(join(boards.scratch, 'broken-'))
      const path = make(folder)
      const env = { ...boards.env, HOTCABLE_DB: path }
      if (!differences(backend).startsWithoutProgram) {
        const { code, said } = await runBoard(BOARDS[backend]!.board, env)
        assert.equal(code, MISCONFIGURED, said)
        isOneLine(said, path)
        return
      }
      const board = await startBoard(BOARDS[backend]!.board, env)
      t.after(() => board.stop())
      isBroken(await board.ask('/'))
      isOneLine(news(board), path)
    }
  })
}

test('a Board reports a database that breaks in one line for each request, in every language', async t => {
  await Promise.all([...boards.running.keys()].map(each))

  async function each(backend: string): Promise<void> {
    const path = join(boards.scratch, `${backend}-breaks.sqlite3`)
    const board = await startBoard(BOARDS[backend]!.board, { ...boards.env, HOTCABLE_DB: path })
    t.after(() => board.stop())
    await board.post('/cards', { body: 'x' })
    breakTable(path)
    const before = news(board).length

    isBroken(await board.ask('/'))

    isOneLine(news(board).slice(before), `${path}.*malformed`)
    assert.equal((await board.ask('/health')).status, 200)
  }
})

test('all Boards may create a missing file at once', async t => {
  const raced = await Promise.all(
    [...boards.running.keys()].map(backend =>
      startBoard(BOARDS[backend]!.board, {
        ...boards.env,
        HOTCABLE_DB: join(boards.scratch, 'raced', 'board.sqlite3'),
      }),
    ),
  )
  t.after(() => Promise.all(raced.map(board => board.stop())))
  const answers = await Promise.all(raced.flatMap(board => Array.from({ length: 8 }, () => board.ask('/'))))
  assert.deepEqual(
    answers.filter(({ status }) => status !== 200),
    [],
  )
  assert.deepEqual(
    raced.map(board => board.said()).filter(said => /error|exception|locked/i.test(said)),
    [],
  )
})

/** Overwrites the page of the table, while programs have the file open. */
function breakTable(path: string): void {
  const db = new DatabaseSync(path, { timeout: 5000 })
  db.exec("INSERT INTO cards (body, author, backend) VALUES ('x', 'y', 'php'); PRAGMA wal_checkpoint(TRUNCATE)")
  db.close()
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(4096, 255), 0, 4096, 4096)
  closeSync(file)
}

function lock(t: { after: (end: () => void) => void }): void {
  boards.db.exec('BEGIN IMMEDIATE')
  t.after(() => boards.db.isTransaction && boards.db.exec('ROLLBACK'))
}

function isBroken({ status, headers, body }: BoardAnswer): void {
  assert.equal(status, 500)
  assert.match(headers['content-type'] ?? '', /^text\/plain/)
  assert.match(body, /database cannot be used/)
}

function isOneLine(said: string, about: string): void {
  assert.match(said, /^[^\n]+\n$/)
  assert.match(said, new RegExp(about))
}
