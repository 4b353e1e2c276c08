/**
 * The Board's store: one SQLite file that every language opens.
 *
 *   cards(id, body, author, backend, votes, created_at)
 *
 * WAL lets the others read while one writes, and `timeout` makes a second writer wait instead of failing. Ids are never
 * used twice (AUTOINCREMENT), so a page may take an id that it has seen for a card that it has seen.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

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

export interface Board {
  /** All cards, oldest first. */
  cards: () => Card[]
  add: (card: Pick<Card, 'body' | 'author' | 'backend'>) => Card
  /** One vote more; `undefined` when the card is gone. */
  vote: (id: number) => Card | undefined
  /** `false` when it was gone already. */
  remove: (id: number) => boolean
  clear: () => void
  close: () => void
}

/** Opens the file at `path`, or makes it. Throws what SQLite throws. */
export function openBoard(path: string): Board {
  mkdirSync(dirname(path), { recursive: true })
  const db = new DatabaseSync(path, { timeout: 5000 })
  useWal(db)
  db.exec(SCHEMA)

  const all = db.prepare(`SELECT ${COLUMNS} FROM cards ORDER BY id`)
  const insert = db.prepare(`INSERT INTO cards (body, author, backend) VALUES (?, ?, ?) RETURNING ${COLUMNS}`)
  const vote = db.prepare(`UPDATE cards SET votes = votes + 1 WHERE id = ? RETURNING ${COLUMNS}`)
  const remove = db.prepare('DELETE FROM cards WHERE id = ?')

  return {
    cards: () => all.all() as unknown as Card[],
    add: ({ body, author, backend }) => insert.get(body, author, backend) as unknown as Card,
    vote: id => vote.get(id) as unknown as Card | undefined,
    remove: id => remove.run(id).changes > 0,
    clear: () => db.exec('DELETE FROM cards'),
    close: () => db.close(),
  }
}

const COLUMNS = 'id, body, author, backend, votes, created_at AS createdAt'

const SCHEMA = `CREATE TABLE IF NOT EXISTS cards (
  id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
  votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))`

/**
 * All languages start at once on a new file, and SQLite does not wait for the others when it changes the journal mode,
 * whatever the timeout: to avoid a deadlock it says "locked" at once. So we wait, for as long as it would have.
 */
function useWal(db: DatabaseSync): void {
  const deadline = performance.now() + 5000
  for (;;) {
    try {
      db.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (performance.now() > deadline || !/locked/.test(String(error))) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}
