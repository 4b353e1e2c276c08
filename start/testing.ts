/** For tests: runs `npm start` on another port and SQLite file, with the languages that this machine has. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from './network.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
export const LIVE = ' (only this machine can reach it; HOST=0.0.0.0 npm start lets phones in)'
export const linux = { skip: process.platform === 'linux' ? false : 'reads /proc' }

export interface Started {
  child: ChildProcess
  lines: string[]
  /** Its exit code. */
  ended: Promise<number | null>
  url: string
  port: string
  env: NodeJS.ProcessEnv & { HOTCABLE_DB: string }
  /** Resolves once it says that it is live. */
  ready: Promise<void>
}

const NODE = [process.execPath, '--disable-warning=ExperimentalWarning', 'start/main.ts'] as const

/** Runs `command` with `settings` added to the environment; they win. */
export async function start(
  t: TestContext,
  extra: Record<string, string | undefined> = {},
  [command, ...args]: readonly [string, ...string[]] = NODE,
): Promise<Started> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-start-'))
  const port = String((await freePorts(1))[0])
  const env = { ...process.env, HOST: undefined, PORT: port, HOTCABLE_DB: join(folder, 'board.sqlite3'), ...extra }
  const child = spawn(command, args, { env, cwd: ROOT })
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      if (line.startsWith('Hotcable is live')) ready.resolve()
    })
  }
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return { child, lines, ended, url: `http://127.0.0.1:${port}`, port, env, ready: ready.promise }
}

/** Processes of this Board: those with its SQLite file in their environment and `script` in their command. */
export function family({ HOTCABLE_DB }: { HOTCABLE_DB: string }, script = ''): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const [environment, command] = ['environ', 'cmdline'].map(name => readFileSync(`/proc/${pid}/${name}`, 'utf8'))
        return environment!.includes(`HOTCABLE_DB=${HOTCABLE_DB}\0`) && command!.includes(script)
      } catch {
        return false // it has ended, or is not ours
      }
    })
}

export async function until(is: () => boolean): Promise<void> {
  while (!is()) await pause(20)
}

/** For NODE_OPTIONS: runs `code` in the process of one script before the script. */
export const inside = (script: string, code: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(`if (process.argv[1]?.endsWith('${script}')) { ${code} }`)}`
