/** The ways of a broadcast from the app to the cables. */
import { execFile } from 'node:child_process'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createClient } from '@redis/client'
import pg from 'pg'
import { publish } from '../../backends/typescript/hotcable.ts'
import type { Nodes, Stage } from './nodes.ts'

/** Hands a broadcast over, with the item that the app commits. Resolves with whether it was acknowledged. */
export type WayIn = (item: string, publication: string) => Promise<boolean>

const WAITS_MS = [0, 100, 300, 1000]
const AGAIN_MS = 200

/** POST: to another node with each try, with the same id. After four tries the app gives up. */
export function post(nodes: Nodes): WayIn {
  let first = 0
  return async (_, publication) => {
    let turn = first++
    for (const ms of WAITS_MS) {
      await pause(ms)
      try {
        await publish([publication], nodes.all[turn++ % nodes.all.length]!.backend)
        return true
      } catch {}
    }
    return false
  }
}

/** Makes the table of an outbox. */
export async function applyOutbox(database: string): Promise<void> {
  const env = { ...process.env, HOTCABLE_OUTBOX: database }
  await promisify(execFile)(process.execPath, ['cli/main.ts', 'outbox', '--apply'], { env })
}

/** An outbox in PostgreSQL. A statement is a transaction, which the app repeats until it is committed. */
export async function postgresOutbox(stage: Stage, url: string): Promise<WayIn> {
  await applyOutbox(url)
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => {})
  stage.after(() => pool.end())
  await pool.query('CREATE TABLE items (id text PRIMARY KEY)')
  // (A commit whose answer was lost is not repeated.)
  const insert = `WITH item AS (INSERT INTO items (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
INSERT INTO hotcable_outbox (publication) SELECT $2 FROM item`
  return async (item, publication) => await untilDone(() => pool.query(insert, [item, publication]))
}

/** An outbox in SQLite. */
export async function sqliteOutbox(stage: Stage, path: string): Promise<WayIn> {
  await applyOutbox(`sqlite:${path}`)
  const database = new DatabaseSync(path, { timeout: 5_000 })
  stage.after(async () => database.close())
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE items (id TEXT PRIMARY KEY)')
  const commit = database.prepare('INSERT INTO items (id) VALUES (?)')
  const insert = database.prepare('INSERT INTO hotcable_outbox (publication) VALUES (?)')
  return async (item, publication) => {
    database.exec('BEGIN IMMEDIATE')
    commit.run(item)
    insert.run(publication)
    database.exec('COMMIT')
    return true
  }
}

/** A Redis stream. */
export async function redisStream(stage: Stage, url: string): Promise<WayIn> {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  stage.after(async () => client.destroy())
  return async (_, publication) => await untilDone(() => client.xAdd('__anycable__', '*', { payload: publication }))
}

async function untilDone(once: () => Promise<unknown>): Promise<true> {
  for (;;) {
    try {
      await once()
      return true
    } catch {
      await pause(AGAIN_MS)
    }
  }
}
