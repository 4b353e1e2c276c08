/**
 * Programs under measurement: each has one core, and we read its CPU and memory from /proc.
 *
 * We do not start them by testing/cable.ts, because each runs under taskset, and some are not our cable.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

/** The server under measurement has the first core; the generator and the bench have the second. */
export const SERVER_CORE = 0
export const GENERATOR_CORE = 1

export interface MeasuredProgram {
  readonly pid: number
  readonly child: ChildProcess
  /** Its output until it was ready. */
  readonly lines: readonly string[]
  stop: () => Promise<void>
}

export interface MeasuredProgramOptions {
  core?: number
  env?: NodeJS.ProcessEnv
  /** Matches the line that the program prints when it is ready. */
  ready: RegExp
  /** The signal that ends it. */
  signal?: NodeJS.Signals
}

const READY_MS = 15_000

/** The running programs, and the signal that ends each with all its children. */
const running = new Map<ChildProcess, NodeJS.Signals>()
process.on('exit', () => {
  for (const [child, signal] of running) child.kill(signal)
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** Starts a program and waits for its line. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { core = SERVER_CORE, env = process.env, ready, signal = 'SIGKILL' }: MeasuredProgramOptions,
): Promise<MeasuredProgram> {
  const child = spawn('taskset', ['-c', String(core), command, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  running.set(child, signal)
  const exited = once(child, 'exit').then(() => running.delete(child))
  const lines: string[] = []
  const started = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      if (ready.test(line)) started.resolve()
      if (lines.length > 1000) lines.length = 100
    })
  }
  const isReady = await Promise.race([
    started.promise.then(() => true),
    exited.then(() => false),
    pause(READY_MS, false, { ref: false }),
  ])
  if (!isReady) {
    child.kill('SIGKILL')
    throw new Error(`${command} did not start:\n${lines.join('\n')}`)
  }
  return {
    pid: child.pid!,
    child,
    lines,
    async stop() {
      child.kill(signal)
      const impatient = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await exited
      clearTimeout(impatient)
    },
  }
}

/** Columns of schedstat. */
const [RAN, WAITED] = [0, 1]

/** CPU in ms, of all threads of the process and its children. */
export const cpuMs = (pid: number): number => sum(cpuMsByProcess(pid))

/** How long, in ms, these threads were ready to run, and another thread had their core. */
export const waitedMs = (pid: number): number => sum(msByProcess(pid, WAITED))

/** CPU in ms, of all threads of the process, and of each of its children, by their ids. */
export const cpuMsByProcess = (pid: number): Map<number, number> => msByProcess(pid, RAN)

function msByProcess(pid: number, column: number, into = new Map<number, number>()): Map<number, number> {
  let own = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    own += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[column]) / 1e6
    for (const child of children(pid, task)) msByProcess(child, column, into)
  }
  return into.set(pid, own)
}

const sum = (ms: ReadonlyMap<number, number>): number => [...ms.values()].reduce((all, one) => all + one, 0)

/** Resident memory in KiB, of the process and its children. */
export function residentKiB(pid: number): number {
  let sum = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
  for (const task of readdirSync(`/proc/${pid}/task`))
    for (const child of children(pid, task)) sum += residentKiB(child)
  return sum
}

const children = (pid: number, task: string) =>
  readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number)

/** Resolves once a program listens. */
export async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      await pause(20)
    } finally {
      socket.destroy()
    }
  }
}
