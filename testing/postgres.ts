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
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { end, endsWithUs } from './child.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

/** The folder of its programs. Debian keeps the server out of the PATH. */
export const findPostgres = (): string | undefined =>
  [...debianFolders(), ...(process.env.PATH ?? '').split(delimiter)].find(has)

/** The option `skip` of a test that needs PostgreSQL. In CI such a test fails instead. */
export const NO_POSTGRES =
  process.env.CI || findPostgres() !== undefined ? false : 'PostgreSQL (initdb) is not here: npm run setup'

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

/** `t`: a test, or `{ after }` of node:test for all tests of a file. */
type Test = { after: (end: () => Promise<void>) => void }

export interface PostgresOptions {
  /** Lines of its configuration. */
  readonly settings?: readonly string[]
  /** The files of its certificate. Then it also accepts TLS. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export async function startPostgres(t: Test, { settings = [], tls }: PostgresOptions = {}): Promise<TestPostgres> {
  const home = makeHome()
  const { folder, data, options } = home
  const passwordFile = fileFor(home, 'password', PASSWORD)
  const usual = ['--auth-local=trust', '--auth-host=scram-sha-256', '--no-sync', '--encoding=UTF8']
  await run(program('initdb'), [data, '--username=owner', `--pwfile=${passwordFile}`, ...usual], options)
  const files = tls && {
    cert: fileFor(home, 'cert.pem', readFileSync(tls.cert)),
    key: fileFor(home, 'key.pem', readFileSync(tls.key)),
  }
  const secured = files ? ['ssl=on', `ssl_cert_file=${files.cert}`, `ssl_key_file=${files.key}`] : []
  const postgres = await serve(t, home, [...secured, ...settings])
  await run(program('createdb'), ['-h', folder, '-p', `${postgres.port}`, '-U', 'owner', 'app'], options)
  return postgres
}

export interface TestStandby extends TestPostgres {
  /** Makes it a primary. Resolves once it takes writes. */
  promote: () => Promise<void>
}

/** A standby of `primary`: it has the same data, and refuses writes. */
export async function startStandby(t: Test, primary: TestPostgres): Promise<TestStandby> {
  const home = makeHome()
  const { folder, data, options } = home
  const from = ['-h', primary.socket, '-p', `${primary.port}`, '-U', 'owner']
  await run(program('pg_basebackup'), ['-D', data, ...from, '--write-recovery-conf', '--checkpoint=fast'], options)
  const standby = await serve(t, home, [])
  const promote = async () => {
    const sql = ['-h', folder, '-p', `${standby.port}`, '-U', 'owner', '-c', 'SELECT pg_promote()', 'app']
    await run(program('psql'), sql, options)
  }
  return { ...standby, promote }
}

interface Home {
  readonly folder: string
  readonly data: string
  /** How to run its programs. */
  readonly options: { uid?: number; gid?: number; cwd: string; env: NodeJS.ProcessEnv }
}

function makeHome(): Home {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-pg-'))
  const as = unprivileged()
  if (as !== undefined) chownSync(folder, as.uid, as.gid)
  chmodSync(folder, 0o755)
  return { folder, data: join(folder, 'data'), options: { ...as, cwd: folder, env: { ...process.env, LC_ALL: 'C' } } }
}

/** Writes a file that only PostgreSQL may read. */
function fileFor({ folder, options: { uid, gid } }: Home, name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content, { mode: 0o600 })
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
  return path
}

function program(name: string): string {
  const folder = findPostgres()
  if (folder === undefined) throw new Error('PostgreSQL (initdb) is not here: npm run setup')
  return join(folder, name)
}

async function serve(t: Test, { folder, data, options }: Home, settings: readonly string[]): Promise<TestPostgres> {
  const port = await freePort()
  const flags = [
    ...['listen_addresses=127.0.0.1', `port=${port}`, `unix_socket_directories=${folder}`, 'fsync=off'],
    ...['max_connections=20', 'shared_buffers=16MB', 'autovacuum_naptime=5s', ...settings],
  ].flatMap(setting => ['-c', setting])
  const launch = () =>
    endsWithUs(spawn(program('postgres'), ['-D', data, ...flags], { ...options, stdio: ['ignore', 'ignore', 'pipe'] }))
  let child: ReturnType<typeof launch>
  const startOnce = async (): Promise<string | undefined> => {
    child = launch()
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line)
      if (!/ready to accept (read-only )?connections/.test(line)) continue
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
  return { port, url: `postgres://owner:${PASSWORD}@127.0.0.1:${port}/app`, socket: folder, kill, start }
}

/** The user as which PostgreSQL runs, if we are root. */
export function unprivileged(): { uid: number; gid: number } | undefined {
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
