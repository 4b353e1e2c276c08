/** How a second command finds the running demo: a file beside its database, deleted when the demo ends. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isProcess } from './child.ts'

export interface RunningDemo {
  /** The starter's process id. */
  pid: number
  /** The Board's URL. */
  url: string
  /** Whether the starter started the cable. */
  ownsCable: boolean
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The Board's SQLite file: the given setting, or `data/board.sqlite3`. */
export const databaseFile = (setting: string | undefined): string => resolve(ROOT, setting || 'data/board.sqlite3')

const fileFor = (db: string): string => join(dirname(db), 'running.json')

/** Says where the demo with this database is, until it ends. */
export function announce(db: string, running: RunningDemo): void {
  const file = fileFor(db)
  mkdirSync(dirname(db), { recursive: true })
  writeFileSync(file, JSON.stringify(running))
  process.once('exit', () => rmSync(file, { force: true }))
}

/** The demo that runs with this database, if one does. */
export function find(db: string): RunningDemo | undefined {
  try {
    const running = JSON.parse(readFileSync(fileFor(db), 'utf8')) as RunningDemo
    return isProcess(running.pid) ? running : undefined
  } catch {
    return undefined
  }
}
