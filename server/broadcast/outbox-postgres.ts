/**
 * The outbox in PostgreSQL (--outbox=postgres://user:password@host:port/database?schema=app&sslmode=…). The only file that
 * imports `pg`, and it does so at the first connection.
 *
 * The URL holds a password: our messages name only host, port and database.
 */
import type { Client } from 'pg'
import { schemaOf } from './outbox-postgres-sql.ts'
import { createPostgresTable, type OpenSession, type Session, type SessionEvents } from './outbox-postgres-table.ts'
import { OutboxAway, type OutboxDatabase } from './outbox-table.ts'

const CONNECT_MS = 5_000
/** Longer than the database lets a statement take: then the network is at fault. */
const ANSWER_MS = 7_000

/** `url` is postgres://…; `schema` in its query is ours, all else is for `pg`. */
export function open(url: string): OutboxDatabase {
  const { schema, connectionString } = parse(url)
  const openSession: OpenSession = (name, events) => connect(connectionString, name, events)
  return {
    schema: () => schemaOf(schema),
    async apply() {
      const session = await openSession('hotcable outbox', { notified() {}, ended() {} })
      try {
        await session.query(`SET client_min_messages = error; ${schemaOf(schema)}`)
      } finally {
        session.end()
      }
    },
    table: ({ maxBytes }) => createPostgresTable({ openSession, schema, maxBytes }),
  }
}

function parse(url: string): { schema: string; connectionString: string } {
  const [address, query = ''] = url.split(/\?(.*)/s) as [string, string?]
  const params = new URLSearchParams(query)
  const schema = params.get('schema') || 'public'
  params.delete('schema')
  // sslmode shall mean what it means in other programs.
  if (params.has('sslmode')) params.set('uselibpqcompat', 'true')
  return { schema, connectionString: params.size > 0 ? `${address}?${params}` : address }
}

async function connect(connectionString: string, name: string, events: SessionEvents): Promise<Session> {
  const { default: pg } = await import('pg')
  let client: Client
  try {
    client = new pg.Client({
      connectionString,
      application_name: name,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      connectionTimeoutMillis: CONNECT_MS,
    })
  } catch (cause) {
    throw new OutboxAway(`PostgreSQL: ${masked((cause as Error).message, connectionString)}`, { cause })
  }
  const address = `${client.host}:${client.port}/${client.database}`
  const away = (cause: unknown) =>
    new OutboxAway(`PostgreSQL at ${address}: ${masked(reasonOf(cause), connectionString)}`, { cause })

  let ended: OutboxAway | undefined
  const fail = (cause: unknown) => {
    if (ended !== undefined) return
    ended = away(cause)
    // A socket that is frozen would never finish its farewell.
    client.connection.stream.destroy()
    events.ended(ended)
  }
  client.on('error', fail)
  client.on('end', () => fail(new Error('the connection ended')))
  client.on('notification', events.notified)
  try {
    await client.connect()
  } catch (cause) {
    fail(cause)
    throw ended
  }

  async function send<T>(text: string, values?: readonly unknown[]): Promise<T[]> {
    if (ended !== undefined) throw ended
    const patience = setTimeout(fail, ANSWER_MS, new Error(`no answer within ${ANSWER_MS / 1000} s`))
    try {
      const { rows } = await client.query(text, values as unknown[])
      return rows
    } catch (cause) {
      throw ended ?? away(cause)
    } finally {
      clearTimeout(patience)
    }
  }

  let turn: Promise<unknown> = Promise.resolve()
  const query = <T>(text: string, values?: readonly unknown[]): Promise<T[]> => {
    const answer = turn.then(() => send<T>(text, values))
    turn = answer.catch(() => {})
    return answer
  }
  const end = (why = 'we ended the connection') => fail(new Error(why))
  try {
    const [session] = await query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    // A pooler gives its clients numbers that are not those of the database.
    return {
      query,
      end,
      isPooled: session!.pid !== (client as Client & { processID: number }).processID,
      get ended() {
        return ended
      },
    }
  } catch (error) {
    end()
    throw error
  }
}

/** What to do, by PostgreSQL's code of an error. */
const REMEDIES: Readonly<Record<string, string>> = {
  '42P01': 'make the table with the command outbox --apply',
  '42703': 'make the table with the command outbox --apply',
  '3F000': 'make the schema, then the table with the command outbox --apply',
  '42501': 'the command outbox --print-schema prints the rights that it needs',
  '25006': 'it is read-only, perhaps a standby: connect to the primary',
  '42704': 'it needs PostgreSQL 14 or newer',
}

function reasonOf(error: unknown): string {
  const { message, code = '', errors } = error as Error & { code?: string; errors?: Error[] }
  const reason = message || errors?.map(({ message }) => message).join('; ') || code
  const remedy = REMEDIES[code]
  return remedy === undefined ? reason : `${reason} (${remedy})`
}

/** Replaces the password of the URL, as it is written there and as it is meant. */
function masked(message: string, url: string): string {
  const written = /^\w+:\/\/[^/?#]*?:([^/?#]*)@/.exec(url)?.[1]
  if (!written) return message
  let meant = written
  try {
    meant = decodeURIComponent(written)
  } catch {
    // It is no escape.
  }
  return message.replaceAll(written, '***').replaceAll(meant, '***')
}
