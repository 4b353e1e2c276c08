/** For tests: a real cable of several processes. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { end, endsWithUs } from '../../testing/child.ts'
import { type Client, type ConnectOptions, connect, type Frame } from '../../testing/client.ts'
import { LEAK, open, SECRET } from './test-cable.ts'

/** Flags of a cable with two workers, for any client. Its history keeps what {@link broadcastOn} sends while a worker is frozen. */
export const OPEN = ['--noauth', '--public_streams', '--workers=2', '--history_limit=100000']

export interface WorkerStats {
  sessions: number
  lost_sessions: number
  history: { epoch: string; offset: number }
  workers: { worker: number; sessions: number }[]
}

export const stats = (cable: WorkerCable) => cable.api<WorkerStats>('stats')

/** Connects clients until each of two workers has some. */
export async function clientsOfBoth(cable: WorkerCable, least: number) {
  const clients = await Promise.all(Array.from({ length: least }, () => cable.client()))
  while ((await stats(cable)).workers.some(({ sessions }) => sessions === 0)) clients.push(await cable.client())
  return clients
}

export const texts = (frames: readonly Frame[]) =>
  frames.flatMap(({ message }) => (message === undefined ? [] : [message]))

/** Subscribes, and resolves once the cable sends this client also what no history keeps. */
export async function listens(client: Client, identifier: string): Promise<void> {
  await client.confirmed(identifier)
  client.command('history', identifier, { history: { since: 2 ** 40 } })
  await client.history()
}

/** The last message of {@link broadcastOn}. */
const END = 'the end'

/** Broadcasts texts, one after the other, as a backend that tries again. `end` resolves with all of them, the end included. */
export function broadcastOn(cable: WorkerCable, stream: string): { end: () => Promise<string[]> } {
  const sent: string[] = []
  const send = async (text: string) => {
    sent.push(text)
    // (A broadcast on its way through a dead worker fails.)
    while (
      !(await cable
        .broadcast(stream, text, { id: text })
        .then(() => true)
        .catch(() => false))
    );
  }
  let isOver = false
  const sending = (async () => {
    for (let at = 0; !isOver; at++) await send(`message ${at}`)
  })()
  return {
    async end() {
      isOver = true
      await sending
      await send(END)
      return sent
    },
  }
}

/** Reads the texts of a stream until the end, over as many connections as that takes; `restored` counts the later ones. */
export async function follow(cable: WorkerCable, client: Client, stream: string) {
  const got: unknown[] = []
  let last: Frame | undefined
  for (let current = client, restored = 0; ; restored++) {
    try {
      for (;;) {
        const frame = await current.next()
        if (frame.message === undefined) continue
        last = frame
        got.push(frame.message)
        if (frame.message === END) return { got, restored }
      }
    } catch {
      current = await again(cable, current.sid)
      if (last === undefined) continue
      const { epoch, offset } = last
      current.command('history', open(stream), { history: { streams: { [stream]: { epoch, offset } } } })
    }
  }
}

/** Connects again, although the connection may go to a process that is dying. */
export async function again(cable: WorkerCable, sid: string, query = '?') {
  for (let attempts = 0; ; attempts++) {
    try {
      const client = await cable.client({ query: `${query}&sid=${sid}` })
      assert.equal(client.welcome.restored, true)
      return client
    } catch (error) {
      if (attempts === 20 || cable.primary.exitCode !== null) throw error
    }
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const MAIN = new URL('../main.ts', import.meta.url).pathname
const key = (of: string) => createHmac('sha256', SECRET).update(`${of}-cable`).digest('hex')

export interface WorkerCable {
  readonly primary: ChildProcess
  /** Where clients connect, broadcasts arrive, and operators ask. */
  readonly url: { readonly cable: string; readonly broadcast: string; readonly http: string }
  /** Every line of its log. */
  readonly lines: readonly string[]
  /** The present process of a worker, by number. */
  readonly pids: ReadonlyMap<number, number>
  /** Resolves once the log has a line that matches. */
  logged: (pattern: RegExp) => Promise<void>
  /** Resolves once so many workers have started, with those that took the place of others. */
  started: (count: number) => Promise<void>
  /** POSTs a broadcast of a text. */
  broadcast: (stream: string, text: string, meta?: object) => Promise<void>
  /** Reads or POSTs below /api. */
  api: <T>(path: string, body?: object) => Promise<T>
  /** A client with the extended protocol. */
  client: (options?: ConnectOptions) => Promise<Client & { welcome: Frame }>
  stop: () => Promise<number | null>
}

export async function startWorkers(t: TestContext, flags: readonly string[]): Promise<WorkerCable> {
  const all = [`--secret=${SECRET}`, '--turbo_streams', '--port=0', '--heal_delay=0', ...flags]
  const primary = endsWithUs(
    spawn(process.execPath, [MAIN, ...all], { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  const lines: string[] = []
  const pids = new Map<number, number>()
  let starts = 0
  let more = Promise.withResolvers<void>()
  createInterface({ input: primary.stdout }).on('line', line => {
    lines.push(line)
    const [, worker, pid] = /a worker serves clients worker=(\d+) pid=(\d+)/.exec(line) ?? []
    if (worker !== undefined) {
      starts++
      pids.set(Number(worker), Number(pid))
    }
    more.resolve()
    more = Promise.withResolvers()
  })
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await more.promise
  }
  const logged = (pattern: RegExp) => until(() => lines.some(line => pattern.test(line)))
  t.after(async () => {
    await end(primary, 'SIGKILL')
    for (const pid of pids.values()) if (isAlive(pid)) process.kill(pid, 'SIGKILL') // (a frozen one would stay)
    assert.doesNotMatch(lines.join('\n'), LEAK)
  })
  await Promise.race([logged(/backends broadcast to/), once(primary, 'exit')])
  const found = (pattern: RegExp) => pattern.exec(lines.join('\n'))![1]!
  const url = { cable: found(/clients connect to (\S+)/), broadcast: found(/backends broadcast to (\S+)/) }
  const http = new URL(url.cable.replace('ws', 'http')).origin
  return {
    primary,
    url: { ...url, http },
    lines,
    pids,
    logged,
    started: count => until(() => starts >= count),
    async broadcast(stream, text, meta) {
      const body = JSON.stringify({ stream, data: JSON.stringify(text), meta })
      const { status } = await fetch(url.broadcast, { method: 'POST', headers: bearer('broadcast'), body })
      assert.equal(status, 201)
    },
    async api<T>(path: string, body?: object) {
      const post = body && { method: 'POST', body: JSON.stringify(body) }
      const ask = () => fetch(`${http}/api/${path}`, { headers: bearer('api'), ...post })
      // (A worker that is killed resets the connections that it has.)
      return (await (await ask().catch(ask)).json()) as T
    },
    async client(options) {
      const client = await connect(t, url.cable, { protocols: 'actioncable-v1-ext-json', ...options })
      return Object.assign(client, { welcome: await client.welcomed() })
    },
    stop: async () => (await end(primary)).code,
  }
}

const bearer = (of: string) => ({ authorization: `Bearer ${key(of)}` })
