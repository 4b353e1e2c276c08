/**
 * The outbox: a table in a database of the app. The app inserts publications in its own transactions, and we publish them.
 *
 *   open ─▶ read ─▶ publish each ─▶ settle (delete, or set aside) ─▶ read …
 *
 * A row leaves the table only after the broker took it, so a row may be published twice, but its name is the id of its
 * publication, so pages get it once. With a broker in this process only our own clients get what we publish. Therefore such a
 * cable admits no clients while another one consumes the table.
 */
import { RequestRefused } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { openOutboxDatabase } from './outbox-databases.ts'
import { MAX_READ_BYTES, MAX_READ_ROWS, OutboxAway, type OutboxTable, type Row } from './outbox-table.ts'
import type { WayIn, WayInParts } from './way-in.ts'

/**
 * `starting`: the table was never opened. `waiting`: another cable consumes it. `away`: the database does not answer.
 * `read-only`: we publish rows, and cannot delete them.
 */
type OutboxState = 'starting' | 'waiting' | 'away' | 'read-only' | 'well'

export interface OutboxParts
  extends Pick<WayInParts, 'publish' | 'isShared' | 'lost' | 'missed' | 'pause' | 'failed' | 'log'> {
  /** Makes the table's object. */
  load: () => Promise<OutboxTable>
  metrics: Pick<Metrics, 'outbox_rows_total' | 'outbox_refused_rows_total' | 'refused'>
}

/** Time until we try again, after the database, or the broker, was away. */
const RETRY_MS = 1_000
const START_MS = 2_000
/** A stuck database must not delay a shutdown for longer. */
const STOP_MS = 2_000
/** A database that takes longer counts as away until it answers. */
const SLOW_MS = 5_000

/** Settings, by their names. */
export interface OutboxSettings {
  readonly outbox: string
  readonly max_broadcast_size: number
}

/** Returns the outbox of the settings; `undefined` if they have none. */
export function outboxOf(settings: OutboxSettings, parts: Omit<OutboxParts, 'load'>): WayIn | undefined {
  if (settings.outbox === '') return undefined
  const load = async () => (await openOutboxDatabase(settings.outbox)).table({ maxBytes: settings.max_broadcast_size })
  return createOutbox({ load, ...parts })
}

export function createOutbox({ load, metrics, ...parts }: OutboxParts): WayIn {
  const { publish, isShared, lost, missed, pause, failed, log } = parts
  let state: OutboxState = 'starting'
  /** Whether another cable may consume the table, so that our clients would miss messages. */
  let isElsewhere = !isShared
  /** Whether we have ever heard which cable consumes the table. */
  let isClaimed = false
  let isStopping = false
  let running: Promise<void> | undefined
  let wake = () => {}
  const stopped = new Promise<void>(resolve => {
    wake = resolve
  })
  let known = () => {}
  const isKnown = new Promise<void>(resolve => {
    known = resolve
  })
  /** Rows that we are done with, and that may still be in the table: the reason of each that we refused. */
  const done = new Map<string, string | undefined>()

  const become = (next: OutboxState, why?: string) => {
    if (next === state) return
    state = next
    if (next === 'waiting' || next === 'away') known()
    const line = why === undefined ? LINES[next] : `${LINES[next]}: ${why}`
    if (next === 'well') log.info(line)
    else log.warn(line)
  }

  /** The answer of the database. While it is slow, the state is `away`. */
  async function answered<T>(answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => become('away', `it has not answered for ${SLOW_MS / 1000} s`), SLOW_MS)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  const rest = (ms: number) => Promise.race([pause(ms), stopped])

  async function run(): Promise<void> {
    let table: OutboxTable | undefined
    while (!isStopping) {
      try {
        table ??= await load()
        await consume(table)
      } catch (error) {
        // A cable that starts while the database is away would else admit no clients until it is back.
        if (!isClaimed) isElsewhere = false
        if (error instanceof OutboxAway) become('away', error.message)
        else failed(error)
        await rest(RETRY_MS)
      }
    }
    await table?.close()
  }

  async function consume(table: OutboxTable): Promise<void> {
    const claim = await answered(table.open())
    isClaimed = true
    if (claim === 'other') {
      become('waiting')
      if (!isElsewhere && !isShared) lost()
      isElsewhere = !isShared
      await rest(RETRY_MS)
      return
    }
    if (claim === 'again' && !isShared) await missed()
    while (!isStopping) {
      const rows = await answered(table.read())
      const isWell = await publishAll(rows)
      if (done.size > 0) await settle(table)
      // Rows that waited are published: a client that comes now gets all later ones.
      if (isElsewhere && isWell && isAll(rows)) isElsewhere = false
      if (!isElsewhere) {
        become(table.isReadOnly ? 'read-only' : 'well')
        known()
      }
      if (!isWell) await rest(RETRY_MS)
      else if (rows.length === 0) await Promise.race([table.changed(), stopped])
    }
  }

  /** Returns whether the broker took all of them. */
  async function publishAll(rows: readonly Row[]): Promise<boolean> {
    if (done.size > 0) forgetAllBut(rows)
    for (const { id, name, publication } of rows) {
      if (isStopping) return true
      if (done.has(id)) continue
      try {
        if (publication === undefined) throw new RequestRefused('too_large', 'the row is not text, or too large')
        await publish(publication, name)
        metrics.outbox_rows_total++
        done.set(id, undefined)
      } catch (error) {
        const { code, message } = error instanceof RequestRefused ? error : BUG
        if (code === 'broker_unavailable') return false
        if (error instanceof RequestRefused) metrics.refused(code)
        else failed(error)
        metrics.outbox_refused_rows_total++
        log.warn({ code, row: id }, `the outbox set a row aside: ${message}`)
        done.set(id, `${code}: ${message}`)
      }
    }
    return true
  }

  /** After a settlement that failed, perhaps in part. */
  function forgetAllBut(rows: readonly Row[]): void {
    const waiting = new Set(rows.map(({ id }) => id))
    for (const id of done.keys()) if (!waiting.has(id)) done.delete(id)
  }

  async function settle(table: OutboxTable): Promise<void> {
    const published = [...done].flatMap(([id, reason]) => (reason === undefined ? [id] : []))
    const refused = [...done].flatMap(([id, reason]) => (reason === undefined ? [] : [{ id, reason }]))
    await answered(table.settle(published, refused))
    done.clear()
  }

  return {
    get closed() {
      return isElsewhere ? 'outbox_elsewhere' : undefined
    },
    get conditions() {
      if (state === 'well' || (state === 'waiting' && isShared)) return []
      return [{ says: LINES[state], isReady: isShared || state === 'read-only' }]
    },
    start() {
      running = run()
      return Promise.race([isKnown, rest(START_MS)])
    },
    async stop() {
      isStopping = true
      wake()
      await Promise.race([running, pause(STOP_MS)])
    },
  }
}

/** Whether these were all that waited. (An app that never pauses inserts the next ones before we have published them.) */
function isAll(rows: readonly Row[]): boolean {
  const bytes = rows.reduce((sum, { publication = '' }) => sum + Buffer.byteLength(publication), 0)
  return rows.length < MAX_READ_ROWS && bytes < MAX_READ_BYTES
}

const BUG = new RequestRefused('internal')

const LINES: Readonly<Record<OutboxState, string>> = {
  starting: 'the outbox starts',
  waiting: 'another cable consumes the outbox',
  away: 'the outbox is away',
  'read-only': 'the outbox is read-only, or its disk is full: the cable publishes its rows, and cannot delete them',
  well: 'the outbox is open',
}
