/**
 * `node web/main.ts`: environment in, the Board out. `--watch` builds the assets anew whenever they change; `--dev` serves /debug.
 *
 *   HOST PORT                          the address to listen on: every interface, 3000
 *   HOTCABLE_DB                        the SQLite file of all languages: data/board.sqlite3
 *   HOTCABLE_OUTBOX                    if it is set, the cable reads broadcasts from that file; else this process POSTs them
 *   HOTCABLE_CABLE_URL                 the cable's URL for this process: http://127.0.0.1:8080
 *   HOTCABLE_BOARD_PYTHON_URL …        the other Boards; a Board without a URL is not running here
 *   ANYCABLE_…                         settings of the helper: secrets, keys, the broadcast URL
 */
import { broadcast, broadcastKey, metaTags, signStream } from '../backends/typescript/hotcable.ts'
import { createAnswers } from './answers.ts'
import { createApp, STREAM } from './app.ts'
import { createAssets } from './assets.ts'
import { BoardBroken, BoardLocked, openBoard } from './board.ts'
import { createBroadcasts } from './broadcasts.ts'
import { createCableProxy } from './cable-proxy.ts'
import { model } from './model.ts'
import { PortInUse, serve } from './serve.ts'
import { NEIGHBOURS } from './views/languages.ts'

/** EX_CONFIG: only the operator can fix it, so `npm start` does not start the Board again. */
const MISCONFIGURED = 78

// Output that cannot be written (a full disk, a closed pipe) is lost. It must not end the process.
for (const out of [process.stdout, process.stderr]) out.on('error', () => {})

const { env, argv } = process
const port = env.PORT || '3000'
const cable = env.HOTCABLE_CABLE_URL || 'http://127.0.0.1:8080'

if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) end('PORT is from 0 to 65535', MISCONFIGURED)
try {
  metaTags({}) && signStream(STREAM) // report a missing secret now, not on the first page
} catch (error) {
  console.error(`web: ${(error as Error).message}`) // and go on: the Boards behind this proxy may not need it
}
const hasOutbox = Boolean(env.HOTCABLE_OUTBOX)
const board = await openBoard(env.HOTCABLE_DB || 'data/board.sqlite3', { hasOutbox }).catch(error => {
  if (error instanceof BoardBroken) return end(error, MISCONFIGURED)
  if (error instanceof BoardLocked) return end(error)
  throw error
})
const assets = await createAssets({ watch: argv.includes('--watch') })
const posts = createBroadcasts({
  post: (html, exclude) => broadcast(STREAM, html, { exclude, timeoutMs: 500, retries: 2 }),
  log: line => console.error(`web: ${line}`),
})
const answers = createAnswers({
  model,
  send: (stream, html, options) => broadcast(stream, html, { ...options, timeoutMs: 500 }),
  log: line => console.error(`web: ${line}`),
})
const cableProxy = createCableProxy({ to: cable })
const app = createApp({
  board,
  broadcasts: hasOutbox ? undefined : posts,
  answers,
  assets,
  cable,
  debug: argv.includes('--dev') ? debugOptions() : undefined,
  neighbours: Object.fromEntries(
    NEIGHBOURS.map(({ name }) => [name, env[`HOTCABLE_BOARD_${name.toUpperCase()}_URL`] || undefined]),
  ),
  hotcable: env.ANYCABLE_WEBSOCKET_URL ? { cableUrl: env.ANYCABLE_WEBSOCKET_URL } : {},
})

const server = await serve({ fetch: app.fetch, cable: cableProxy, host: env.HOST, port: Number(port) }).catch(error => {
  if (error instanceof PortInUse || error.syscall !== undefined) return end(error)
  throw error
})
function end(error: unknown, code = 1): never {
  console.error(`web: ${error instanceof Error ? error.message : error}`)
  process.exit(code)
}

/** The URL and the key with which the helper broadcasts. */
function debugOptions() {
  const key = env.ANYCABLE_BROADCAST_KEY || (env.ANYCABLE_SECRET ? broadcastKey() : 'none')
  return { url: env.ANYCABLE_HTTP_BROADCAST_URL || `${cable}/_broadcast`, key }
}

let stopping = false
const stop = async () => {
  if (stopping) process.exit(0)
  stopping = true
  cableProxy.close()
  await Promise.all([server.close(), posts.settled(), answers.close(), assets.close()])
  board.close()
  process.exit(0)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
console.log(`web: the Board is at ${server.url}`)
