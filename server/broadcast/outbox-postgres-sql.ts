/** The statements of an outbox in PostgreSQL, 14 or newer. Pure. */
import { MAX_READ_BYTES, MAX_READ_ROWS } from './outbox-table.ts'

/** The trigger sends an empty notification here. */
export const NOTIFICATION = 'hotcable_outbox'

/** Writes a name of a schema or table as SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/**
 * The table, in a schema that exists.
 *
 * One notification for each transaction suffices, and PostgreSQL folds equal ones. The second table has one row: which cable
 * consumed the first one last.
 */
export function schemaOf(schema: string): string {
  const at = quoted(schema)
  return `CREATE TABLE IF NOT EXISTS ${at}.hotcable_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL DEFAULT gen_random_uuid(),
  publication text NOT NULL, -- the JSON text of a broadcast
  refused timestamptz, -- when the cable set this row aside
  reason text
);
CREATE INDEX IF NOT EXISTS hotcable_outbox_waiting ON ${at}.hotcable_outbox (id) WHERE refused IS NULL;

CREATE TABLE IF NOT EXISTS ${at}.hotcable_outbox_consumer (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  consumer text NOT NULL DEFAULT ''
);
INSERT INTO ${at}.hotcable_outbox_consumer DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION ${at}.hotcable_outbox_notify() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS 'BEGIN PERFORM pg_catalog.pg_notify(''${NOTIFICATION}'', ''''); RETURN NULL; END';
CREATE OR REPLACE TRIGGER hotcable_outbox_notify AFTER INSERT ON ${at}.hotcable_outbox
FOR EACH STATEMENT EXECUTE FUNCTION ${at}.hotcable_outbox_notify();

-- The rights of the app, and of the cable if it has another role (replace app and cable):
-- GRANT USAGE ON SCHEMA ${at} TO app, cable;
-- GRANT INSERT, SELECT (id) ON ${at}.hotcable_outbox TO app;
-- GRANT SELECT, UPDATE, DELETE ON ${at}.hotcable_outbox TO cable;
-- GRANT SELECT, UPDATE ON ${at}.hotcable_outbox_consumer TO cable;
`
}

/** PostgreSQL ends our session, and with it the lock, when we send nothing for 10 s, or take nothing that it sends. */
export const SESSION = `SET idle_session_timeout = '10s'; SET tcp_user_timeout = '10s'; SET statement_timeout = '5s';
SET lock_timeout = '2s'; SET client_min_messages = error; LISTEN ${NOTIFICATION}`

/** After a crash deleted rows may be here again, but not the former consumer. Commits of the app are as durable as before. */
export const CLAIMED = 'SET synchronous_commit = off'

/** Ends older sessions of this cable, whose ends did not reach the database, and with them their lock. */
export const END_OLDER = `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity
WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid() AND usename = current_user`

/** Whether we have the lock of the outbox in the schema $1. */
export const LOCK = `SELECT pg_try_advisory_lock(hashtextextended('hotcable_outbox ' || $1, 0)) AS mine`
export const UNLOCK = 'SELECT pg_advisory_unlock_all()'

export interface Statements {
  /** Returns the `former` consumer; $1: we. */
  readonly claim: string
  /**
   * The rows that wait; $1: bytes of a publication at most. All of them, and not those after the last one: ids are drawn before
   * their transactions commit. Each has the `pid` of our session; if no row waits, there is one with nothing else.
   */
  readonly read: string
  /** $1: ids, $2: names. The app may have emptied the table, and its ids may have begun anew. */
  readonly remove: string
  /** $1: ids, $2: names, $3: reasons. */
  readonly setAside: string
}

export function statementsOf(schema: string): Statements {
  const outbox = `${quoted(schema)}.hotcable_outbox`
  const consumer = `${quoted(schema)}.hotcable_outbox_consumer`
  const bytes = 'CASE WHEN size <= $1 THEN size ELSE 0 END'
  return {
    claim: `UPDATE ${consumer} SET consumer = $1 FROM (SELECT consumer AS former FROM ${consumer}) AS before RETURNING former`,
    read: `SELECT pg_backend_pid() AS pid, id, name, publication FROM (VALUES (1)) AS always LEFT JOIN (
  SELECT id, name, CASE WHEN size <= $1 THEN publication END AS publication, sum(${bytes}) OVER (ORDER BY id) - ${bytes} AS before
  FROM (SELECT id, name, publication, octet_length(publication) AS size FROM ${outbox}
    WHERE refused IS NULL ORDER BY id LIMIT ${MAX_READ_ROWS}) AS first
) AS waiting ON before < ${MAX_READ_BYTES} ORDER BY id`,
    remove: `DELETE FROM ${outbox} AS o USING unnest($1::bigint[], $2::text[]) AS done (id, name)
WHERE o.id = done.id AND o.name = done.name`,
    setAside: `UPDATE ${outbox} AS o SET refused = now(), reason = done.reason
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS done (id, name, reason) WHERE o.id = done.id AND o.name = done.name`,
  }
}
