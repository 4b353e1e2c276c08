/**
 * The table of an outbox in PostgreSQL: one session, which has an advisory lock, hears of new rows, and reads all that wait.
 *
 * It is never idle in a transaction: PostgreSQL could not drop old notifications then, and an app's COMMIT would fail in the end.
 */
import { randomBytes } from 'node:crypto'
import { CLAIMED, END_OLDER, LOCK, SESSION, type Statements, statementsOf, UNLOCK } from './outbox-postgres-sql.ts'
import { type Claim, OutboxAway, type OutboxTable, type RefusedRow, type Row } from './outbox-table.ts'

/** A session in the database. */
export interface Session {
  /** Whether something between us and the database shares its sessions. */
  readonly isPooled: boolean
  /** Sends statements, one call after another. Rejects with {@link OutboxAway}, and ends the session if there is no answer. */
  query: <T>(text: string, values?: readonly unknown[]) => Promise<T[]>
  /** The reason, once the session has ended. */
  readonly ended: OutboxAway | undefined
  end: (why?: string) => void
}

export interface SessionEvents {
  notified: () => void
  ended: (why: OutboxAway) => void
}

/** `name` is for pg_stat_activity. Rejects with {@link OutboxAway}. */
export type OpenSession = (name: string, events: SessionEvents) => Promise<Session>

export interface PostgresTableParts {
  openSession: OpenSession
  readonly schema: string
  readonly maxBytes: number
}

/** Rows may wait without a notification: a trigger may be off. */
const WAIT_MS = 2_000
/** The lock ends after 10 s without a statement. */
const HEARTBEAT_MS = 3_000
/** How long a shutdown waits for the database. */
const LAST_MS = 1_000

export function createPostgresTable({ openSession, schema, maxBytes }: PostgresTableParts): OutboxTable {
  const consumer = `hotcable-outbox-${randomBytes(8).toString('hex')}`
  const statements: Statements = statementsOf(schema)
  let session: Session | undefined
  let pid: number | undefined
  let isLocked = false
  /** Whether clients may have been here, or may come back with positions of this cable. */
  let mayHaveClients = false
  let isNotified = false
  let wake = () => {}
  let heartbeat: NodeJS.Timeout | undefined

  async function connect(): Promise<Session> {
    if (session !== undefined && session.ended === undefined) return session
    isLocked = false
    clearInterval(heartbeat)
    const opened = await openSession(consumer, {
      notified() {
        isNotified = true
        wake()
      },
      ended: () => wake(),
    })
    session = opened
    heartbeat = setInterval(() => opened.query('SELECT 1').catch(() => {}), HEARTBEAT_MS).unref()
    if (opened.isPooled) await refuseSharedSession(opened)
    await opened.query(END_OLDER)
    await opened.query(SESSION)
    return opened
  }

  /** A second session shows whether a pooler gives ours to other clients between two transactions. */
  async function refuseSharedSession(ours: Session): Promise<void> {
    const other = await openSession(`${consumer}-pooled`, { notified() {}, ended() {} })
    try {
      const [mine, its] = [await pidOf(ours), await pidOf(other)]
      if (mine === its) throw new OutboxAway(POOLER)
    } finally {
      other.end()
    }
  }

  async function claim(): Promise<Claim> {
    const current = await connect()
    if (isLocked) return 'alone'
    const [{ mine }] = (await current.query(LOCK, [schema])) as [{ mine: boolean }]
    if (!mine) return 'other'
    const [last] = await current.query<{ former: string }>(statements.claim, [consumer])
    if (last === undefined) throw new OutboxAway('hotcable_outbox_consumer has no row: use the command outbox --apply')
    await current.query(CLAIMED)
    pid = await pidOf(current)
    isLocked = true
    const isAgain = mayHaveClients && last.former !== consumer
    mayHaveClients = true
    return isAgain ? 'again' : 'alone'
  }

  return {
    // A database that is read-only takes no rows of the app either, so it counts as away.
    isReadOnly: false,
    async open() {
      try {
        return await claim()
      } catch (error) {
        session?.end()
        // (A cable admits clients while its database is away.)
        mayHaveClients = true
        throw error
      }
    },
    async read() {
      isNotified = false
      const rows = await session!.query<Waiting>(statements.read, [maxBytes])
      if (rows[0]?.pid !== pid) {
        session!.end()
        throw new OutboxAway(POOLER)
      }
      return rows.flatMap(rowOf)
    },
    async settle(published, refused) {
      // First what needs no space on the disk.
      if (published.length > 0) await session!.query(statements.remove, keysOf(published))
      if (refused.length > 0) {
        await session!.query(statements.setAside, [...keysOf(refused.map(({ id }) => id)), reasonsOf(refused)])
      }
    },
    async changed() {
      if (session!.ended === undefined && !isNotified) {
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, WAIT_MS)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      if (session!.ended !== undefined) throw session!.ended
    },
    async close() {
      clearInterval(heartbeat)
      if (session === undefined) return
      const patience = setTimeout(() => session?.end(), LAST_MS)
      // (The end of a session frees its lock, too, but a little later.)
      if (isLocked) await session.query(UNLOCK).catch(() => {})
      clearTimeout(patience)
      session.end()
    },
  }
}

const POOLER =
  'PostgreSQL: a pooler shares our session with other clients (transaction mode): connect to PostgreSQL itself, or in session mode'

interface Waiting {
  readonly pid: number
  readonly id: string | null
  readonly name: string
  readonly publication: string | null
}

const rowOf = ({ id, name, publication }: Waiting): Row[] =>
  id === null ? [] : [{ id: `${id} ${name}`, name, publication: publication ?? undefined }]

/** The ids and the names of rows by their keys, as arrays for a statement. */
function keysOf(keys: readonly string[]): [ids: string[], names: string[]] {
  const at = (key: string) => key.indexOf(' ')
  return [keys.map(key => key.slice(0, at(key))), keys.map(key => key.slice(at(key) + 1))]
}

/** (A text in PostgreSQL has no NUL.) */
const reasonsOf = (rows: readonly RefusedRow[]): string[] => rows.map(({ reason }) => reason.replaceAll('\0', ''))

async function pidOf(session: Session): Promise<number> {
  const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return row!.pid
}
