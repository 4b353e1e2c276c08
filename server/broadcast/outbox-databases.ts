/**
 * The databases that may hold an outbox, by their URL. Each is loaded only when it is used.
 *
 *   sqlite:PATH      postgres://user:password@host/database
 */
import { OutboxAway, type OutboxDatabase } from './outbox-table.ts'

const DATABASES: Readonly<Record<string, () => Promise<{ open: (url: string) => OutboxDatabase }>>> = {
  sqlite: () => import('./outbox-sqlite.ts'),
  postgres: () => import('./outbox-postgres.ts'),
  postgresql: () => import('./outbox-postgres.ts'),
}

/** Rejects with {@link OutboxAway}. */
export async function openOutboxDatabase(url: string): Promise<OutboxDatabase> {
  const load = DATABASES[url.slice(0, url.indexOf(':'))]
  if (load === undefined)
    throw new OutboxAway('the database of an outbox is sqlite:PATH, or postgres://user:password@host:port/database')
  const { open } = await load()
  return open(url)
}
