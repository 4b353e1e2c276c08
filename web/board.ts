/**
 * The Board's store: one SQLite file that every language opens.
 *
 *   cards(id, body, author, backend, votes, created_at)
 *
 *   hotcable_outbox(publication, …)       docs/outbox.md; a change stores its broadcast in its own transaction
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

/** Returns the publication of a change. Called in its transaction, and again if that has to be repeated. */
export type Tell<Changed> = (changed: Changed) => string

/**
 * All reject with {@link BoardLocked} or {@link BoardBroken}. Changes run in the order of their calls. A change that finds
 * its card calls `tell`, and stores the result if the Board has an outbox.
 */
export interface Board {
  /** All cards, oldest first. */
  cards: () => Promise<Card[]>
  add: (card: Pick<Card, 'body' | 'author' | 'backend'>, tell?: Tell<Card>) => Promise<Card>
  /** Adds one vote; `undefined` if the card does not exist. */
  vote: (id: number, tell?: Tell<Card>) => Promise<Card | undefined>
  /** `false` if the card did not exist. */
  remove: (id: number, tell?: Tell<true>) => Promise<boolean>
  clear: (tell?: Tell<true>) => Promise<void>
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

export interface BoardOptions {
  /** How long a change waits for another writer. */
  patienceMs?: number
  /** The database has the table hotcable_outbox, which the cable reads. */
  hasOutbox?: boolean
}

/** Opens the file at `path`, or creates it. Rejects with {@link BoardLocked} or {@link BoardBroken}. */
export async function openBoard(
  path: string,
  { patienceMs = 5000, hasOutbox = false }: BoardOptions = {},
): Promise<Board> {
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
  const change = <T>(operation: () => T, tell?: Tell<NonNullable<T>>): Promise<T> => {
    const changed = patiently(() => {
      // After a plain BEGIN a change could fail at once, although another writer is about to finish.
      db.exec('BEGIN IMMEDIATE')
      try {
        const result = operation()
        const publication = result === undefined ? undefined : tell?.(result as NonNullable<T>)
        // (Prepared here: the Board has its cards also where the table is missing.)
        if (publication !== undefined && hasOutbox) db.prepare(STORE).run(publication)
        db.exec('COMMIT')
        return result
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    }, last)
    last = changed.catch(() => {})
    return changed
  }

  return {
    cards: () => patiently(() => all.all() as unknown as Card[]),
    add: ({ body, author, backend }, tell) => change(() => insert.get(body, author, backend) as unknown as Card, tell),
    vote: (id, tell) => change(() => vote.get(id) as unknown as Card | undefined, tell),
    remove: async (id, tell) => (await change(() => remove.run(id).changes > 0 || undefined, tell)) === true,
    clear: async tell => {
      await change(() => {
        db.exec('DELETE FROM cards')
        return true as const
      }, tell)
    },
    close: () => db.close(),
  }
}

const COLUMNS = 'id, body, author, backend, votes, created_at AS createdAt'

const SCHEMA = `CREATE TABLE IF NOT EXISTS cards (
  id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, author TEXT NOT NULL, backend TEXT NOT NULL,
  votes INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')))`

const STORE = 'INSERT INTO hotcable_outbox (publication) VALUES (?)'

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
