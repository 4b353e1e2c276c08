/**
 * The Board's store: one SQLite file that every language opens.
 *
 *   cards(id, body, author, backend, votes, created_at)
 *
 * WAL lets the others read while one writes. A change tries again, with pauses, while another writer holds the lock: if
 * SQLite waited, it would stop this process and its proxies. No id is used twice (AUTOINCREMENT), so an id names one card.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'

export interface Card {
  readonly id: number
  readonly body: string
  readonly author: string
  /** Which backend wrote it: `typescript`, `python`, … */
  readonly backend: string
  readonly votes: number
  /** UTC, `2026-07-01T12:34:56Z`. */
  readonly createdAt: string
}

/** All reject with {@link BoardLocked} or {@link BoardBroken}. Changes run in the order of their calls. */
export interface Board {
  /** All cards, oldest first. */
  cards: () => Promise<Card[]>
  add: (card: Pick<Card, 'body' | 'author' | 'backend'>) => Promise<Card>
  /** Adds one vote; `undefined` if the card does not exist. */
  vote: (id: number) => Promise<Card | undefined>
  /** `false` if the card did not exist. */
  remove: (id: number) => Promise<boolean>
  clear: () => Promise<void>
  close: () => void
}

/** Another process held the lock for longer than `patienceMs`. */
export class BoardLocked extends Error {
  override readonly name = 'BoardLocked'
}

/** Only the operator can fix it: the file is not a database, or its folder is missing or read-only. */
export class BoardBroken extends Error {
  override readonly name = 'BoardBroken'
}

/** Opens the file at `path`, or creates it. Rejects with {@link BoardLocked} or {@link BoardBroken}. */
export async function openBoard(path: string, { patienceMs = 5000 } = {}): Promise<Board> {
  const patiently = createPatience(path, patienceMs)
  const db = await patiently(() => {
    mkdirSync(dirname(path), { recursive: true })
    return new DatabaseSync(path, { timeout: 0 })
  })
  // All languages start at once on a new file.
  await patiently(() => db.exec('PRAGMA journal_mode = WAL'))
  await patiently(() => db.exec(SCHEMA))

  const all = db.prepare(`SELECT ${COLUMNS} FROM cards ORDER BY id`)
  const insert = db.prepare(`INSERT INTO cards (body, author, backend) VALUES (?, ?, ?) RETURNING ${COLUMNS}`)
  const vote = db.prepare(`UPDATE cards SET votes = votes + 1 WHERE id = ? RETURNING ${COLUMNS}`)
  const remove = db.prepare('DELETE FROM cards WHERE id = ?')

  let last: Promise<unknown> = Promise.resolve()
  const change = <T>(operation: () => T): Promise<T> => {
    const changed = patiently(operation, last)
    last = changed.catch(() => {})
    return changed
  }

  return {
    cards: () => patiently(() => all.all() as unknown as Card[]),
    add: ({ body, author, backend }) => change(() => insert.get(body, author, backend) as unknown as Card),
    vote: id => change(() => vote.get(id) as unknown as Card | undefined),
    remove: id => change(() => remove.run(id).changes > 0),
    clear: () => change(() => db.exec('DELETE FROM cards')),
    close: () => db.close(),
  }
}

const COLUMNS = 'id, body, author, backend, votes, created_at AS createdAt'

const SCHEMA = `CREATE TABLE IF NOT EXISTS cards (
  id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
  votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))`

/** Pause between two attempts to get the lock. */
const PAUSE_MS = 10

/** Runs an operation after `turn` resolves, and again while the database is locked; `patienceMs` counts from the call. */
const createPatience =
  (path: string, patienceMs: number) =>
  async <T>(operation: () => T, turn?: Promise<unknown>): Promise<T> => {
    const deadline = performance.now() + patienceMs
    await turn
    for (;;) {
      try {
        return operation()
      } catch (cause) {
        const { errcode, syscall, message } = cause as SystemError
        if (errcode === undefined && syscall === undefined) throw cause // not SQLite's, nor the system's: a bug
        // The low byte is the kind of an error, the rest says more.
        if ((errcode ?? 0) % 256 !== SQLITE_BUSY) throw new BoardBroken(`${path}: ${message}`, { cause })
        if (performance.now() > deadline) throw new BoardLocked(`${path}: ${message}`, { cause })
      }
      await pause(PAUSE_MS)
    }
  }

type SystemError = Error & { errcode?: number; syscall?: string }
const SQLITE_BUSY = 5
