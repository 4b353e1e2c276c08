/**
 * The outbox in a SQLite file (--outbox=sqlite:PATH). A thread reads it, because SQLite makes its caller wait for the disk.
 *
 * outbox-sqlite-thread.ts has the thread: it answers one call at a time, in their order.
 */
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { OutboxAway, type OutboxDatabase, type OutboxTable } from './outbox-table.ts'

/** What the thread does, and what it needs. */
export type Call =
  | { readonly name: 'open' | 'read' | 'changed' | 'close' }
  | { readonly name: 'settle'; readonly published: readonly string[]; readonly refused: readonly object[] }

export interface ThreadData {
  readonly path: string
  readonly maxBytes: number
  /** The thread blocks on it while it waits for rows: not 0 ends that. */
  readonly bell: Int32Array<SharedArrayBuffer>
}

/** `value` is the result of the call, unless there is an `error`: why the database is away. */
export interface Reply {
  readonly value?: unknown
  readonly error?: string
  readonly isReadOnly: boolean
}

/**
 * Ids rise in the order of the commits, because SQLite has one writer at a time, and AUTOINCREMENT uses none twice.
 */
const SCHEMA = `CREATE TABLE IF NOT EXISTS hotcable_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
  publication TEXT NOT NULL, -- the JSON text of a broadcast
  refused TEXT, -- when the cable set this row aside, UTC
  reason TEXT
);
`

/** `url` is sqlite:PATH. */
export function open(url: string): OutboxDatabase {
  const path = url.slice('sqlite:'.length)
  return {
    schema: () => SCHEMA,
    async apply() {
      try {
        const { DatabaseSync } = sqlite()
        const database = new DatabaseSync(path, { timeout: 5_000 })
        database.exec(SCHEMA)
        database.close()
      } catch (error) {
        throw new OutboxAway(`${path}: ${(error as Error).message}`, { cause: error })
      }
    },
    table: ({ maxBytes }) => createTable(path, maxBytes),
  }
}

/** Throws if this Node has no SQLite. */
function sqlite(): typeof import('node:sqlite') {
  try {
    return createRequire(import.meta.url)('node:sqlite')
  } catch (cause) {
    throw new OutboxAway(`SQLite needs Node 22.13 or later; this is ${process.version}`, { cause })
  }
}

/** The package has a bundle for the thread beside the main one. */
const THREAD = new URL(`./outbox-sqlite-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

function createTable(path: string, maxBytes: number): OutboxTable {
  const bell = new Int32Array(new SharedArrayBuffer(4))
  const workerData: ThreadData = { path, maxBytes, bell }
  let thread: Worker | undefined
  let isReadOnly = false
  /** The calls that wait for their reply, in their order. */
  const waiting: { resolve: (value: never) => void; reject: (error: Error) => void }[] = []

  function start(): Worker {
    Atomics.store(bell, 0, 0)
    const started = new Worker(THREAD, { workerData, execArgv: ['--disable-warning=ExperimentalWarning'] })
    const failed = (error: Error) => {
      if (thread === started) thread = undefined
      for (const { reject } of waiting.splice(0)) reject(error)
    }
    started.on('message', ({ value, error, isReadOnly: readOnly }: Reply) => {
      isReadOnly = readOnly
      const { resolve, reject } = waiting.shift()!
      if (error === undefined) resolve(value as never)
      else reject(new OutboxAway(error))
    })
    started.on('error', cause => failed(new OutboxAway(`its thread failed: ${cause.message}`, { cause })))
    started.on('exit', () => failed(new OutboxAway('its thread ended')))
    started.unref()
    return started
  }

  function call<T>(call: Call): Promise<T> {
    thread ??= start()
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
      thread!.postMessage(call)
    })
  }

  return {
    get isReadOnly() {
      return isReadOnly
    },
    async open() {
      sqlite()
      return await call({ name: 'open' })
    },
    read: () => call({ name: 'read' }),
    settle: (published, refused) => call({ name: 'settle', published, refused }),
    changed: () => call({ name: 'changed' }),
    async close() {
      if (thread === undefined) return
      Atomics.store(bell, 0, 1)
      Atomics.notify(bell, 0)
      await call({ name: 'close' }).catch(() => {})
      await thread?.terminate()
    },
  }
}
