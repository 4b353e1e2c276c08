/** For tests: an app on a new Board, and servers on port 0 that end with their test. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { createAnswers } from './answers.ts'
import { type AppParts, createApp } from './app.ts'
import { openBoard } from './board.ts'
import { createBroadcasts } from './broadcasts.ts'

/** A path for a SQLite file, which is removed after the test. */
export function boardPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'data', 'board.sqlite3')
}

/** Starts another program that holds the write lock; returns a function that ends it. */
export function lock(t: TestContext, path: string): () => void {
  const other = new DatabaseSync(path)
  t.after(() => other.close())
  other.exec('BEGIN IMMEDIATE')
  return () => other.exec('COMMIT')
}

/** `sent` collects the broadcasts. The cable never answers, unless `parts` names another one. */
export async function testApp(t: TestContext, parts: Partial<AppParts> = {}) {
  const board = await openBoard(boardPath(t))
  t.after(() => board.close())
  const sent: string[] = []
  const broadcasts = createBroadcasts({ post: async html => void sent.push(html), log: () => {} })
  const answers = createAnswers({
    model: async function* () {
      yield 'Yes.'
    },
    send: async (_, html) => void sent.push(html),
    log: () => {},
    paceMs: 0,
  })
  const app = createApp({
    board,
    broadcasts,
    answers,
    assets: { handler: async (_, next) => next() },
    cable: DEAD,
    hotcable: { signing: { secret: 'canary of web' }, backend: { url: `${DEAD}/_broadcast` } },
    ...parts,
  })
  const post = (path: string, form: Record<string, string> | string = {}, headers: Record<string, string> = {}) =>
    app.request(path, {
      method: 'POST',
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  return { app, board, answers, sent, post }
}

/** Nothing listens on port 1. */
export const DEAD = 'http://127.0.0.1:1'

export interface RunningServer {
  url: string
  port: number
  server: Server
}

export async function listen(t: TestContext, listener: RequestListener | Server): Promise<RunningServer> {
  const server = typeof listener === 'function' ? createServer(listener) : listener
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, server }
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
