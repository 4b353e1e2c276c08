/**
 * The thread that reads an outbox in SQLite.
 *
 * We look every 40 ms whether another connection has committed, and every 10 ms after rows came: SQLite keeps a number for that
 * in memory. (A watch on the file fires before a commit is visible.) In between the thread blocks, because a timer of the event
 * loop costs more than the look itself. We read rows after the last one that we returned, and delete them at most once a second,
 * without waiting for a writer of the app.
 *
 * A lock on a file beside the database lets one cable at a time consume it. The system frees the lock of a process that dies.
 */
import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Call, Reply, ThreadData } from './outbox-sqlite.ts'
import { type Claim, MAX_READ_BYTES, MAX_READ_ROWS, type RefusedRow, type Row } from './outbox-table.ts'

const POLL_MS = 40
/** The same, while rows come. */
const BUSY_POLL_MS = 10
const BUSY_MS = 2_000
const DELETE_MS = 1_000
const WAIT_MS = 2_000
/** How long a read may wait: without a write-ahead log, a commit keeps readers out. */
const READ_MS = 2_000
/** How long the last deletion may wait for a writer of the app. */
const LAST_MS = 500

const { path, maxBytes, bell } = workerData as ThreadData

interface Opened {
  readonly database: DatabaseSync
  readonly file: number
  readonly version: StatementSync
  readonly rows: StatementSync
  readonly hasRows: StatementSync
  readonly sequence: StatementSync
  readonly named: StatementSync
}

let lock: DatabaseSync | undefined
let opened: Opened | undefined
/** The last row that we returned. */
let last = 0
let lastName: string | undefined
/** The number of the last commit that {@link read} saw. */
let seen: unknown
let published = 0
let deleted = 0
let refused: RefusedRow[] = []
let deletedAt = 0
let cameAt = Number.NEGATIVE_INFINITY
let isReadOnly = false

/** A file with the same path may be another one: the app has replaced it, and its rows begin anew. */
const fileOf = (): number => statSync(path).ino

function open(): Claim {
  if (!claim()) return 'other'
  opened?.database.close()
  opened = undefined
  // (statSync throws if there is no file: a mistyped path must not make an empty database.)
  const file = fileOf()
  const database = new DatabaseSync(path, { timeout: READ_MS })
  try {
    // After a power cut a row may be here again; the app's own commits are as durable as before.
    database.exec('PRAGMA synchronous = NORMAL')
    opened = { database, file, ...prepared(database) }
  } catch (error) {
    database.close()
    throw error
  }
  ;[last, published, deleted, seen, refused] = [0, 0, 0, undefined, []]
  return 'alone'
}

const prepared = (database: DatabaseSync) => ({
  version: database.prepare('PRAGMA data_version'),
  rows: database.prepare(
    `SELECT id, name, CASE WHEN typeof(publication) = 'text' AND octet_length(publication) <= ? THEN publication END AS publication
     FROM hotcable_outbox WHERE id > ? AND refused IS NULL ORDER BY id LIMIT ${MAX_READ_ROWS}`,
  ),
  hasRows: database.prepare('SELECT 1 FROM hotcable_outbox WHERE id > ? AND refused IS NULL LIMIT 1'),
  named: database.prepare('SELECT name FROM hotcable_outbox WHERE id = ? AND refused IS NULL'),
  sequence: database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'hotcable_outbox'"),
})

/** Returns false if another process has the lock. */
function claim(): boolean {
  if (lock !== undefined) return true
  let candidate: DatabaseSync | undefined
  try {
    candidate = new DatabaseSync(`${path}-outbox-lock`, { timeout: 0 })
    candidate.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    candidate?.close()
    if (isBusy(error)) return false
    // A folder that we may not write to: then each cable reads all rows, and deletes none.
    if (isUnwritable(error)) return true
    throw error
  }
  lock = candidate
  return true
}

function read(): Row[] {
  const { version, rows } = opened!
  seen = numberOf(version)
  if (beganAnew()) [last, published, deleted] = [0, 0, 0]
  const found: Row[] = []
  let bytes = 0
  for (const row of rows.iterate(maxBytes, last)) {
    const { id, name, publication } = row as { id: number; name: unknown; publication: string | null }
    found.push({ id: `${id}`, name: `${name}`, publication: publication ?? undefined })
    bytes += Buffer.byteLength(publication ?? '')
    if (bytes >= MAX_READ_BYTES) break
  }
  if (found.length > 0) cameAt = performance.now()
  last = Number(found.at(-1)?.id ?? last)
  lastName = found.at(-1)?.name ?? lastName
  return found
}

/** Whether the app has emptied the table, and its ids began anew. */
function beganAnew(): boolean {
  if (last === 0) return false
  const { sequence, named } = opened!
  if (((sequence.get() as { seq: number } | undefined)?.seq ?? 0) < last) return true
  const { name } = (named.get(last) as { name: string } | undefined) ?? {}
  return name !== undefined && (name !== lastName || deleted >= last)
}

function settle(ids: readonly string[], rows: readonly RefusedRow[]): void {
  published = Math.max(published, ...ids.map(Number))
  refused.push(...rows)
  for (const { id } of rows) published = Math.max(published, Number(id))
  sweep(DELETE_MS)
}

/** Deletes what was published, unless we did so less than `everyMs` ago, or the app writes for more than `waitMs`. */
function sweep(everyMs: number, waitMs = 0): void {
  if (published === deleted || performance.now() - deletedAt < everyMs) return
  const { database } = opened!
  deletedAt = performance.now()
  try {
    database.exec(`PRAGMA busy_timeout = ${waitMs}`)
    database.exec('BEGIN IMMEDIATE')
    try {
      const set = database.prepare(`UPDATE hotcable_outbox SET refused = datetime('now'), reason = ? WHERE id = ?`)
      for (const { id, reason } of refused) set.run(reason, Number(id))
      database.prepare('DELETE FROM hotcable_outbox WHERE id <= ? AND refused IS NULL').run(published)
      database.exec('COMMIT')
    } catch (error) {
      rollBack(database)
      throw error
    }
    refused = []
    deleted = published
    isReadOnly = false
  } catch (error) {
    if (isUnwritable(error)) isReadOnly = true
    else if (!isBusy(error)) throw error
  } finally {
    database.exec(`PRAGMA busy_timeout = ${READ_MS}`)
  }
}

/** On a full disk SQLite has rolled back already, and says so by an error. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // No transaction is open.
  }
}

/** Returns when rows may wait, in {@link WAIT_MS} at the latest, or when the parent rings. */
function changed(): void {
  const { version, hasRows, file } = opened!
  const until = performance.now() + WAIT_MS
  for (let now = performance.now(); now < until; now = performance.now()) {
    const number = numberOf(version)
    if (number !== seen) {
      // The app also commits to its other tables.
      if (beganAnew() || hasRows.get(last) !== undefined) return
      seen = number
    }
    sweep(DELETE_MS)
    if (Atomics.wait(bell, 0, 0, now - cameAt < BUSY_MS ? BUSY_POLL_MS : POLL_MS) !== 'timed-out') return
  }
  if (fileOf() !== file) throw new Error('another file has taken its place')
}

const numberOf = (version: StatementSync): unknown => (version.get() as { data_version: number }).data_version

function close(): void {
  try {
    if (opened !== undefined) sweep(0, LAST_MS)
  } finally {
    opened?.database.close()
    lock?.close()
    opened = lock = undefined
  }
}

/** SQLite's codes; their lower byte is the kind. */
const codeOf = (error: unknown): number => ((error as { errcode?: number }).errcode ?? 0) & 0xff
const isBusy = (error: unknown): boolean => [5, 6].includes(codeOf(error))
/** READONLY, PERM, CANTOPEN, FULL, IOERR: rows can still be read, perhaps. */
const isUnwritable = (error: unknown): boolean => [8, 3, 14, 13, 10].includes(codeOf(error))

const answers = {
  open,
  read,
  changed,
  close,
  settle: ({ published, refused }: Extract<Call, { name: 'settle' }>) => settle(published, refused as RefusedRow[]),
} satisfies Record<Call['name'], (call: never) => unknown>

parentPort!.on('message', (call: Call) => {
  let reply: Omit<Reply, 'isReadOnly'>
  try {
    reply = { value: answers[call.name](call as never) }
  } catch (error) {
    reply = { error: `${path}: ${(error as Error).message}` }
  }
  parentPort!.postMessage({ ...reply, isReadOnly } satisfies Reply)
})
