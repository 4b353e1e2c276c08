/**
 * A cable and two Boards for one test run, on free ports and a new file, so that a test can kill them.
 *
 *   page ──▶ (proxy) ──▶ web ──▶ python
 *                         ╰────▶ cable      dies, comes back on its port, with other settings
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BOARDS } from '../../backends/harness/languages.ts'
import { freePorts } from '../../start/network.ts'
import { type RunningCable, startCable } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'
import { type BoardLanguageName, LANGUAGES as HOMES, SECRET } from './demo.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface RestartableCable {
  /** Starts it unless it runs with these settings already; resolves when clients can connect. */
  start: (...settings: string[]) => Promise<void>
  kill: (signal?: NodeJS.Signals) => Promise<void>
  /** The URLs of its processes, for HTTP: several, if a suite runs on several nodes (testing/with-nodes.ts). */
  nodes: () => readonly string[]
}

export interface Stack {
  /** The URL of the one origin in front of everything. */
  readonly port: number
  readonly cable: RestartableCable & {
    /** How many subscriptions the Board's stream has. */
    listeners: () => Promise<number>
    /** Broadcasts the same HTML to each stream. */
    broadcast: (streams: readonly string[], html: string) => Promise<void>
  }
  /** The Board in Python; while it is down its page is a 502. */
  readonly python: { url: string; start: () => Promise<void>; kill: () => Promise<void> }
  /** Adds a card by a form without a browser; resolves when it is committed, and broadcast if the cable runs. */
  add: (language: BoardLanguageName, body: string) => Promise<void>
  clear: () => Promise<void>
  /** The Board's page as it is rendered now. */
  render: (language: BoardLanguageName) => Promise<string>
  close: () => Promise<void>
}

export async function startStack(): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-heal-'))
  const [port, cablePort, pythonPort] = (await freePorts(3)) as [number, number, number]
  const env = {
    ...process.env,
    ANYCABLE_SECRET: SECRET,
    ANYCABLE_HTTP_BROADCAST_URL: `http://127.0.0.1:${cablePort}/_broadcast`,
    HOTCABLE_DB: join(folder, 'board.sqlite3'),
    HOTCABLE_CABLE_URL: `http://127.0.0.1:${cablePort}`,
    HOTCABLE_BOARD_PYTHON_URL: `http://127.0.0.1:${pythonPort}`,
  }
  const origin = `http://localhost:${port}`

  // Refreshes wait for --heal_delay after a start, for late pages: here one second is enough.
  const cable = restartableCable(cablePort, '--heal_delay=1')

  let python: ChildProcess | undefined
  const startPython = async () => {
    const board = BOARDS.python.board('127.0.0.1', pythonPort)
    python ??= start(board.command, board.args, { ...env, ...board.env })
    await healthy(`${env.HOTCABLE_BOARD_PYTHON_URL}/health`, python)
  }
  const killPython = async () => {
    const running = python
    python = undefined
    if (running !== undefined) await end(running, 'SIGKILL')
  }

  const web = start(process.execPath, ['--disable-warning=ExperimentalWarning', 'web/main.ts'], {
    ...env,
    HOST: '127.0.0.1',
    PORT: String(port),
  })
  await Promise.all([cable.start(), startPython(), healthy(`${origin}/health`, web)])

  const post = async (path: string, form: Record<string, string>) => {
    const { status } = await fetch(origin + path, {
      method: 'POST',
      body: new URLSearchParams(form),
      redirect: 'manual',
    })
    if (status !== 303) throw new Error(`POST ${path} was answered ${status}`)
  }
  return {
    port,
    cable: {
      ...cable,
      listeners: async () => {
        const key = createHmac('sha256', SECRET).update('api-cable').digest('hex')
        const counts = cable.nodes().map(async node => {
          const answer = await fetch(`${node}/api/streams`, { headers: { authorization: `Bearer ${key}` } })
          const { streams }: { streams: { stream: string; subscriptions: number }[] } = await answer.json()
          return streams.find(({ stream }) => stream === 'board/1')?.subscriptions ?? 0
        })
        return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
      },
      broadcast: async (streams, html) => {
        const key = createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')
        const { status } = await fetch(env.ANYCABLE_HTTP_BROADCAST_URL, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}` },
          body: JSON.stringify(streams.map(stream => ({ stream, data: html }))),
        })
        if (status !== 201) throw new Error(`the broadcast was answered ${status}`)
      },
    },
    python: { url: env.HOTCABLE_BOARD_PYTHON_URL, start: startPython, kill: killPython },
    add: (language, body) => post(`${HOMES[language]}cards`, { body, author: 'Ada' }),
    clear: () => post('/clear', {}),
    render: async language => await (await fetch(origin + HOMES[language])).text(),
    close: async () => {
      await Promise.all([cable.kill(), killPython(), end(web, 'SIGTERM')])
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** A cable that a test can kill and start again on its port, with other settings. */
export function restartableCable(port: number, ...usual: string[]): RestartableCable {
  let running: { process: RunningCable; settings: string } | undefined
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    const ended = running
    running = undefined
    await ended?.process.stop(signal)
  }
  return {
    kill,
    start: async (...settings) => {
      if (running?.settings === settings.join(' ')) return
      await kill()
      const flags = ['--dev', '--host=127.0.0.1', `--port=${port}`, '--turbo_streams', ...usual, ...settings]
      const process = await startCable(flags, { settings: { ANYCABLE_SECRET: SECRET } })
      running = { process, settings: settings.join(' ') }
    },
    nodes: () => (running?.process.nodes ?? []).map(url => `http://${new URL(url).host}`),
  }
}

/** Starts a new process group, because a wrapper may run the interpreter as its child. */
export function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  const child = endsWithUs(
    spawn(command, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] }),
  )
  // The Board logs a broadcast that fails; these tests make it fail.
  createInterface({ input: child.stderr! }).on('line', line => {
    if (!/broadcast/.test(line)) console.error(line)
  })
  return child
}
