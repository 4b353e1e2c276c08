/**
 * For tests: a real PostgreSQL on a free port, with an empty database `app`, which ends with its tests.
 *
 *   const postgres = await startPostgres(t)
 *   postgres.url                                     // of its superuser; with a password
 *   await postgres.kill(); await postgres.start()    // the same port, and all that was committed
 *
 * PostgreSQL refuses to run as root: then it runs as the user postgres, or nobody.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { accessSync, chmodSync, chownSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { end, endsWithUs } from './child.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

/** Debian keeps the server out of the PATH. */
export const POSTGRES_FOLDER = [...debianFolders(), ...(process.env.PATH ?? '').split(delimiter)].find(has)

/** The option `skip` of a test that needs PostgreSQL. In CI such a test fails instead. */
export const NO_POSTGRES =
  POSTGRES_FOLDER !== undefined || process.env.CI ? false : 'PostgreSQL (initdb) is not here: npm run setup'

export const PASSWORD = 'canary-postgres'

export interface TestPostgres {
  readonly port: number
  /** Of the database `app`. */
  readonly url: string
  /** The folder with its Unix socket, where no password is needed. */
  readonly socket: string
  /** Ends it, by default at once and without a farewell. Resolves once it has ended. */
  kill: (signal?: NodeJS.Signals) => Promise<void>
  /** Starts it again at the same port. Resolves once it answers. */
  start: () => Promise<void>
}

/** `t`: a test, or `{ after }` of node:test for all tests of a file. `settings`: lines of its configuration. */
export async function startPostgres(
  t: { after: (end: () => Promise<void>) => void },
  { settings = [] }: { settings?: readonly string[] } = {},
): Promise<TestPostgres> {
  if (POSTGRES_FOLDER === undefined) throw new Error('PostgreSQL (initdb) is not here: npm run setup')
  const as = unprivileged()
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-pg-'))
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, PASSWORD)
  for (const path of [folder, passwordFile]) if (as !== undefined) chownSync(path, as.uid, as.gid)
  chmodSync(folder, 0o755)
  const options = { ...as, cwd: folder, env: { ...process.env, LC_ALL: 'C' } }
  const usual = ['--auth-local=trust', '--auth-host=scram-sha-256', '--no-sync', '--encoding=UTF8']
  await run(join(POSTGRES_FOLDER, 'initdb'), [data, '--username=owner', `--pwfile=${passwordFile}`, ...usual], options)
  const port = await freePort()
  const flags = [
    ...['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`, 'fsync=off'],
    ...['max_connections=20', 'shared_buffers=16MB', 'autovacuum_naptime=5s', ...settings],
  ].flatMap(setting => ['-c', setting])
  const launch = () =>
    endsWithUs(
      spawn(join(POSTGRES_FOLDER!, 'postgres'), ['-D', data, ...flags], {
        ...options,
        stdio: ['ignore', 'ignore', 'pipe'],
      }),
    )
  let child: ReturnType<typeof launch>
  const startOnce = async (): Promise<string | undefined> => {
    child = launch()
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line)
      if (!line.includes('ready to accept connections')) continue
      child.stderr.resume()
      return undefined
    }
    return lines.join('\n')
  }
  const start = async () => {
    for (let problem = await startOnce(); problem !== undefined; problem = await startOnce()) {
      // (The sessions of a server that was killed end a little later.)
      if (!/still in use|lock file/.test(problem)) throw new Error(`PostgreSQL did not start:\n${problem}`)
      await pause(50)
    }
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => void (await end(child, signal))
  t.after(async () => {
    await kill('SIGQUIT')
    rmSync(folder, { recursive: true, maxRetries: 5 })
  })
  await start()
  await run(join(POSTGRES_FOLDER, 'createdb'), ['-h', folder, '-p', `${port}`, '-U', 'owner', 'app'], options)
  return { port, url: `postgres://owner:${PASSWORD}@127.0.0.1:${port}/app`, socket: folder, kill, start }
}

function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  for (const user of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) => Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // This machine does not have this user.
    }
  }
  throw new Error('PostgreSQL does not run as root, and this machine has neither the user postgres nor nobody')
}

function debianFolders(): string[] {
  const all = '/usr/lib/postgresql'
  try {
    return readdirSync(all)
      .sort((a, b) => Number(b) - Number(a))
      .map(version => join(all, version, 'bin'))
  } catch {
    return []
  }
}

function has(folder: string): boolean {
  try {
    accessSync(join(folder, 'initdb'), constants.X_OK)
    return true
  } catch {
    return false
  }
}
