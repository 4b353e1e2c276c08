/** A Board of any language, started as a process on a free port; and a plain HTTP client for it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../start/network.ts'
import { type ChildExit, end, endsWithUs, healthy } from '../../testing/child.ts'
import type { ToolCommand } from './toolchain.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** No Board takes this long to start, even on the slowest machine. */
const START_MS = 60_000

/** The exit code EX_CONFIG: only the operator can fix the cause, so `npm start` does not restart the Board. */
export const MISCONFIGURED = 78

export interface BoardAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  ms: number
}

export interface RequestOptions {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

export interface BoardProcess {
  port: number
  ask: (path: string, asked?: RequestOptions) => Promise<BoardAnswer>
  /** Posts a form as a browser does. */
  post: (path: string, fields?: Record<string, string>, headers?: Record<string, string>) => Promise<BoardAnswer>
  /** Sends bytes; resolves with all bytes until the Board closes or `ms` have passed. */
  raw: (bytes: string, ms?: number) => Promise<string>
  /** Its stderr so far. */
  said: () => string
  /** Sends SIGTERM, or another signal, to its process group; resolves with how it ended. */
  stop: (signal?: NodeJS.Signals) => Promise<ChildExit & { ms: number }>
}

/** Starts a Board in `cwd`, on a free port unless it has one. Resolves when it answers at `path`; rejects with its stderr if it does not. */
export async function startBoard(
  board: (host: string, port: number) => ToolCommand,
  env: NodeJS.ProcessEnv,
  { path = '/health', cwd = ROOT, port: given }: { path?: string; cwd?: string; port?: number } = {},
): Promise<BoardProcess> {
  const port = given ?? ((await freePorts(1)) as [number])[0]
  const { command, args, env: own } = board('127.0.0.1', port)
  // A new process group, because PHP's workers outlive their master.
  const child = endsWithUs(
    spawn(command, args, { cwd, env: { ...env, ...own }, detached: true, stdio: ['ignore', 'ignore', 'pipe'] }),
  )
  let said = ''
  child.on('error', error => {
    said += error.message
  })
  child.stderr.setEncoding('utf8').on('data', (some: string) => {
    said += some
  })
  const ask = (path: string, asked: RequestOptions = {}) => askPort(port, path, asked)
  await healthy(`http://127.0.0.1:${port}${path}`, child).catch(async () => {
    await end(child, 'SIGKILL')
    throw new Error(`${child.spawnargs.join(' ')} did not start:\n${said}`)
  })
  return {
    port,
    ask,
    post: (path, fields = {}, headers = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: new URLSearchParams(fields).toString(),
      }),
    raw: (bytes, ms = 3000) => rawPort(port, bytes, ms),
    said: () => said,
    stop: async signal => {
      const from = performance.now()
      return { ...(await end(child, signal)), ms: performance.now() - from }
    },
  }
}

/** Runs a Board that exits; resolves with its exit code and its output. */
export async function runBoard(
  board: (host: string, port: number) => ToolCommand,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; said: string }> {
  const [port] = (await freePorts(1)) as [number]
  const { command, args, env: own } = board('127.0.0.1', port)
  const child = spawn(command, args, { cwd: ROOT, env: { ...env, ...own }, stdio: ['ignore', 'ignore', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MS)
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  clearTimeout(timer)
  return { code, said }
}

/** Not fetch: it forbids setting Host, follows redirects and keeps connections. */
async function askPort(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: RequestOptions,
): Promise<BoardAnswer> {
  const from = performance.now()
  const length = body === undefined ? undefined : { 'content-length': String(Buffer.byteLength(body)) }
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path,
    method,
    headers: { ...length, ...headers },
    agent: false,
    timeout: 60_000,
  })
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path} took too long`)))
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  const answered = await text(incoming)
  return { status: incoming.statusCode, headers: incoming.headers, body: answered, ms: performance.now() - from }
}

async function rawPort(port: number, bytes: string, ms: number): Promise<string> {
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  let answered = ''
  socket.setEncoding('latin1').on('data', some => {
    answered += some
  })
  socket.write(bytes, 'latin1')
  const timer = setTimeout(() => socket.destroy(), ms)
  await once(socket, 'close')
  clearTimeout(timer)
  return answered
}
