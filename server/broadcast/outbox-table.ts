/**
 * The table of an outbox, in a database of the app.
 */

/** A row that waits to be published. */
export interface Row {
  /** The key of the row in its table. */
  readonly id: string
  /** No other row ever has it: the id of its publication, unless that has one. */
  readonly name: string
  /** The body of a broadcast; `undefined` if it is not text, or larger than a broadcast may be. */
  readonly publication: string | undefined
}

/** A row that the cable sets aside. */
export interface RefusedRow {
  readonly id: string
  readonly reason: string
}

/**
 * `alone`: this cable consumes the table, and no other cable has done so since it last did. `again`: as `alone`, but another
 * cable did meanwhile. `other`: another cable consumes the table now.
 */
export type Claim = 'alone' | 'again' | 'other'

/** Each method rejects with {@link OutboxAway} if the database does not answer as it should: then open it again. */
export interface OutboxTable {
  /** Connects, unless it is connected, and claims the table. */
  open: () => Promise<Claim>
  /** Returns waiting rows in their order, a few MiB at most. Empty: none waits. */
  read: () => Promise<readonly Row[]>
  /** Deletes rows, and sets others aside. It may do so later. */
  settle: (published: readonly string[], refused: readonly RefusedRow[]) => Promise<void>
  /** Resolves when rows may wait, in two seconds at the latest. */
  changed: () => Promise<void>
  /** Gives the table up for another cable, and disconnects. Never rejects. */
  close: () => Promise<void>
  /** Whether rows stay in the table, because the database is read-only. */
  readonly isReadOnly: boolean
}

/** The database is away, or something in it is not as it should be. The message is for the operator. */
export class OutboxAway extends Error {
  override readonly name = 'OutboxAway'
}

export interface TableSettings {
  /** Largest publication in bytes. */
  readonly maxBytes: number
}

/** A {@link OutboxTable.read} ends with the row that brings the publications to so many bytes. */
export const MAX_READ_BYTES = 4 << 20
/** Rows that one {@link OutboxTable.read} returns at most. */
export const MAX_READ_ROWS = 500

/** A database: how to write its statements, and how to reach it. */
export interface OutboxDatabase {
  /** Returns the statements that make the table. */
  schema: () => string
  /** Makes the table, unless it exists. Rejects with {@link OutboxAway}. */
  apply: () => Promise<void>
  table: (settings: TableSettings) => OutboxTable
}
