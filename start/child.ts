/**
 * Keeps one child process running: starts it again when it dies, and ends it together with its descendants. After exit
 * code {@link EX_CONFIG} we do not start it again, because it would fail for the same reason.
 *
 * Each child leads its own process group, so that we also end the workers of a server, which outlive a killed master, and
 * so that a Ctrl-C in the terminal reaches only us and we end the processes in order.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { type BackOff, createBackOff } from './back-off.ts'

export interface ChildOptions {
  title: string
  command: string
  args: readonly string[]
  cwd: string
  env: NodeJS.ProcessEnv
  /** Takes one line of its output. */
  onLine: (line: string) => void
  /** Takes one line about it: that it died, and when we start it again. */
  say: (line: string) => void
  /** It exited because of its settings or its files, so we do not start it again. */
  onMisconfigured?: () => void
  /** Called when a process group starts, and when it has ended. */
  onGroup?: (pid: number, alive: boolean) => void
  backOff?: BackOff
  /** How long it may take to end. */
  graceMs?: number
}

export interface Child {
  /** Ends it; resolves when it and all of its group are gone. */
  stop: () => Promise<void>
  /** Ends it now. */
  kill: () => void
  /** Kills it, and starts it again after {@link OUTAGE_MS}. */
  outage: () => void
  /** Ends it, and starts it again at once; starts it if it has ended already. */
  restart: () => void
}

/** The exit code for "something was found in an unconfigured or misconfigured state" (sysexits.h). */
export const EX_CONFIG = 78

/** How long an intended outage lasts. */
export const OUTAGE_MS = 10_000

export function keepRunning(options: ChildOptions): Child {
  const { title, say, onGroup = () => {}, onMisconfigured = () => {}, graceMs = 5000 } = options
  const { backOff = createBackOff() } = options
  let running: ChildProcess | undefined
  let waiting: NodeJS.Timeout | undefined
  let stopping = false
  let exited = Promise.withResolvers<void>()
  let held = false
  let changed = false

  const start = (): void => {
    const started = performance.now()
    const child = spawnGroup(options)
    running = child
    exited = Promise.withResolvers()
    if (child.pid !== undefined) onGroup(child.pid, true)
    let ended = false
    const end = (why: string, code?: number | null): void => {
      if (ended) return
      ended = true
      running = undefined
      if (child.pid !== undefined) {
        signal(child.pid, 'SIGKILL') // the processes that it left behind would keep its port
        onGroup(child.pid, false)
      }
      exited.resolve()
      if (stopping) return
      if (changed) {
        changed = false
        return start()
      }
      if (code === EX_CONFIG) {
        say(`${title} stopped: its settings or files are wrong. It is not started again`)
        return onMisconfigured()
      }
      const waitMs = held ? OUTAGE_MS : backOff.after(performance.now() - started)
      held = false
      say(`${title} stopped (${why}), starting it again in ${waitMs / 1000} s`)
      waiting = setTimeout(start, waitMs)
    }
    child.once('error', error => end(error.message))
    child.once('exit', (code, by) => end(by ?? `exit code ${code}`, code))
  }
  start()

  /** Resolves when it has ended. */
  const terminate = async (pid: number): Promise<void> => {
    const { promise } = exited
    signal(pid, 'SIGTERM')
    const last = setTimeout(() => signal(pid, 'SIGKILL'), graceMs)
    await promise
    clearTimeout(last)
  }

  return {
    stop: async () => {
      stopping = true
      clearTimeout(waiting)
      if (running?.pid !== undefined) await terminate(running.pid)
    },
    kill: () => {
      stopping = true
      clearTimeout(waiting)
      if (running?.pid !== undefined) signal(running.pid, 'SIGKILL')
    },
    outage: () => {
      if (running?.pid === undefined) return
      held = true
      signal(running.pid, 'SIGKILL')
    },
    restart: () => {
      if (stopping || changed) return
      clearTimeout(waiting)
      if (running?.pid === undefined) return start()
      changed = true
      void terminate(running.pid)
    },
  }
}

function spawnGroup({ command, args, cwd, env, onLine }: ChildOptions): ChildProcess {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  for (const stream of [child.stdout, child.stderr]) eachLine(stream, onLine)
  return child
}

/** Signals a whole group; a group that has ended needs no signal. */
export const signal = (group: number, name: NodeJS.Signals | 0): boolean => send(-group, name)

/** Whether any process of the group is alive. */
export const isAlive = (group: number): boolean => signal(group, 0)

/** Whether a process with that id is alive. */
export const isProcess = (pid: number): boolean => send(pid, 0)

function send(to: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(to, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    return false
  }
}

function eachLine(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') onLine(line)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}
