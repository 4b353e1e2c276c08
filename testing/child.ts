/** For tests: child processes that end with the tests, and a wait until they answer. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { get as getSecurely } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'

/** No program takes this long to start, even on the slowest machine. */
const START_MS = 60_000

export interface ChildExit {
  code: number | null
  signal: NodeJS.Signals | null
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) signal(child, 'SIGKILL')
})

/** Returns `child`, which is killed when this process exits. */
export function endsWithUs<Child extends ChildProcess>(child: Child): Child {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Signals `child`, with its group if it is the head of one (`detached`); resolves once it has exited. */
export async function end(child: ChildProcess, name: NodeJS.Signals = 'SIGTERM'): Promise<ChildExit> {
  const hasExited = child.pid === undefined || child.exitCode !== null || child.signalCode !== null
  const exited = hasExited ? undefined : once(child, 'exit')
  signal(child, name)
  await exited
  return { code: child.exitCode, signal: child.signalCode }
}

/** Resolves once `url` answers 200, with any certificate. Rejects when `child` has exited, or after a minute. */
export async function healthy(url: string, child?: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline && (child?.exitCode ?? child?.signalCode ?? null) === null) {
    if ((await statusOf(url)) === 200) return
    await pause(30)
  }
  throw new Error(`${url} does not answer`)
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, name)
  } catch {
    child.kill(name) // it leads no process group, or has exited
  }
}

/** Each request has its own connection, so that no connection stays open. */
const statusOf = (url: string): Promise<number | undefined> =>
  new Promise(resolve => {
    const ask = url.startsWith('https:') ? getSecurely : get
    const options = { agent: false, timeout: 5_000, rejectUnauthorized: false } as const
    const request = ask(url, options, answer => resolve(answer.resume().statusCode))
    request.on('error', () => resolve(undefined))
    request.on('timeout', () => request.destroy())
  })
