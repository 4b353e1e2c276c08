/**
 * For tests: a real PgBouncer on a free port, in front of a PostgreSQL, which ends with its test. It refuses to run as root.
 */
import { spawn } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { end, endsWithUs } from './child.ts'
import { freePort } from './ports.ts'
import { type TestPostgres, unprivileged } from './postgres.ts'

/** Debian installs it into a folder that is not in the PATH of most users. */
export const findPgBouncer = (): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].map(folder => join(folder, 'pgbouncer')).find(has)

/** The option `skip` of a test that needs it. In CI such a test fails instead. */
export const NO_PGBOUNCER =
  process.env.CI || findPgBouncer() !== undefined ? false : 'pgbouncer is not here: npm run setup'

/** Returns the URL of the database `app` behind it. */
export async function startPgBouncer(
  t: { after: (end: () => Promise<void>) => void },
  { url }: TestPostgres,
  { mode }: { mode: 'transaction' | 'session' },
): Promise<string> {
  const program = findPgBouncer()
  if (program === undefined) throw new Error('pgbouncer is not here: npm run setup')
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-pgbouncer-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const { hostname, port: to, username, password } = new URL(url)
  const file = join(folder, 'pgbouncer.ini')
  const target = `host=${hostname} port=${to} user=${username} password=${password}`
  const usual = ['listen_addr=127.0.0.1', `listen_port=${port}`, 'unix_socket_dir=', 'auth_type=any', 'log_stats=0']
  writeFileSync(file, ['[databases]', `app=${target}`, '[pgbouncer]', ...usual, `pool_mode=${mode}`, ''].join('\n'))
  const child = endsWithUs(spawn(program, [file], { ...unprivileged(), stdio: ['ignore', 'ignore', 'pipe'] }))
  t.after(async () => {
    await end(child, 'SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line)
    if (!line.includes('process up')) continue
    child.stderr.resume()
    return url.replace(`:${to}/`, `:${port}/`)
  }
  throw new Error(`pgbouncer did not start:\n${lines.join('\n')}`)
}

function has(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
