/**
 * For tests: starts every Board that can run on this machine, with one new SQLite file and one fake cable for each test file.
 *
 *   const boards = startBoards()                            hooks: started before the tests, ended after them; web mounts the others
 *   eachBoard(backend => test('…', () => boards.get(backend).ask('/')))
 *
 * The tests of a language that is not installed are skipped with a message; with CI=true they fail. Rails is an extra, so
 * its tests are always skipped if its gems are missing.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { CardRow } from './board-page.ts'
import { type BoardProcess, startBoard } from './board-process.ts'
import { type FakeCable, startFakeCable } from './fake-cable.ts'
import { type BoardLanguage, BOARDS as LIST, ROOT } from './languages.ts'
import { missing } from './toolchain.ts'

export const SECRET = 'canary boards s3cЯeT'

/** How to start each Board; `absent` says which program is missing. */
export const BOARDS: Record<string, BoardLanguage & { absent?: string | undefined }> = {}
for (const board of Object.values<BoardLanguage>(LIST)) {
  BOARDS[board.name] = { ...board, absent: (await board.isPresent()) ? undefined : missing(board) }
}
const present = Object.entries(BOARDS).filter(([, { absent }]) => absent === undefined)

export interface Boards {
  readonly running: ReadonlyMap<string, BoardProcess>
  readonly cable: FakeCable
  readonly db: DatabaseSync
  /** The environment for one more Board beside these. */
  readonly env: NodeJS.ProcessEnv
  /** A folder for these tests. */
  readonly scratch: string
  get: (backend: string) => BoardProcess
  /** The cards, oldest first. */
  cards: () => CardRow[]
}

/** Each test begins with an empty Board, and with a cable that accepts everything. With `outbox` the Boards do not POST to it. */
export function startBoards({ outbox = false } = {}): Boards {
  const scratch = mkdtempSync(join(tmpdir(), 'hotcable-boards-'))
  const database = join(scratch, 'new', 'board.sqlite3')
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ANYCABLE|HOTCABLE)_/.test(name)))
  const running = new Map<string, BoardProcess>()
  let cable: FakeCable
  let db: DatabaseSync
  let env: NodeJS.ProcessEnv

  before(async () => {
    cable = await startFakeCable()
    env = { ...clean, ANYCABLE_SECRET: SECRET, ANYCABLE_HTTP_BROADCAST_URL: cable.url, HOTCABLE_DB: database }
    if (outbox) {
      mkdirSync(dirname(database))
      env.HOTCABLE_OUTBOX = `sqlite:${database}`
      execFileSync(process.execPath, ['cli/main.ts', 'outbox', '--apply'], { cwd: ROOT, env })
    }
    const neighbours = present.filter(([backend]) => backend !== 'typescript')
    const started = await Promise.all(neighbours.map(([, { board }]) => startBoard(board, env)))
    const urls = started.map(({ port }, at) => [
      `HOTCABLE_BOARD_${neighbours[at]![0].toUpperCase()}_URL`,
      `http://127.0.0.1:${port}`,
    ])
    running.set('typescript', await startBoard(LIST.typescript.board, { ...env, ...Object.fromEntries(urls) }))
    for (const [at, [backend]] of neighbours.entries()) running.set(backend, started[at]!)
    await Promise.all([...running.values()].map(board => board.ask('/')))
    db = new DatabaseSync(database, { timeout: 5000 })
  })
  after(async () => {
    await Promise.all([...running.values()].map(board => board.stop()))
    await cable.die()
    db.close()
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
  })
  beforeEach(() => {
    cable.reset()
    db.exec('DELETE FROM cards')
  })

  return {
    running,
    get cable() {
      return cable
    },
    get db() {
      return db
    },
    get env() {
      return env
    },
    scratch,
    get: backend => running.get(backend)!,
    cards: () =>
      db
        .prepare('SELECT * FROM cards ORDER BY id')
        .all()
        .map(row => ({ ...row }) as unknown as CardRow),
  }
}

/** A Board's output, without the lines that php -S writes about each request. */
export const news = (board: BoardProcess): string => board.said().replaceAll(/^\[.*\n/gm, '')

/** Describes each Board; one that is missing is one skipped test. */
export function eachBoard(tests: (backend: string) => void): void {
  for (const [backend, { absent, title, isExtra }] of Object.entries(BOARDS)) {
    if (absent === undefined) {
      describe(`the Board in ${title}`, () => tests(backend))
      continue
    }
    console.error(`\n!!! ${absent}\n`)
    const skip = (process.env.CI !== 'true' || isExtra) && absent
    test(`the Board in ${title}`, { skip }, () => assert.fail(absent))
  }
}
