/**
 * For tests: a real redis-server on a free port, with no data at first, which ends with its test.
 *
 *   const redis = await startRedis(t)
 *   await redis.cli('PUBLISH', 'a', 'hello')
 *   await redis.kill(); await redis.start()          // the same port, and the data that it saved
 */
import { execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { end, endsWithUs } from './child.ts'
import { freePort } from './ports.ts'

const run = promisify(execFile)

/** The option `skip` of a test that needs Redis. In CI such a test fails instead. */
export const NO_REDIS = has('redis-server') || process.env.CI ? false : 'redis-server is not here: npm run setup'

export interface RedisOptions {
  /** Lines of its configuration, such as `appendonly yes`. */
  config?: readonly string[]
  /** Options of redis-cli, such as `--user`. */
  cliOptions?: readonly string[]
  program?: 'redis-server' | 'redis-sentinel'
  /** The files of its certificate, which is its own CA. Then it accepts only TLS. */
  tls?: { readonly cert: string; readonly key: string; readonly clients: 'anonymous' | 'certified' }
}

export interface TestRedis {
  readonly port: number
  readonly url: string
  /** Runs one command, and resolves with its answer as redis-cli prints it to a program. */
  cli: (...command: readonly string[]) => Promise<string>
  /** Ends it, by default without a farewell. Resolves once it has ended. */
  kill: (signal?: NodeJS.Signals) => Promise<void>
  /** Starts it again at the same port. Resolves once it answers. */
  start: () => Promise<void>
  /** Stops its process, as a machine that hangs, or continues it. */
  signal: (name: 'SIGSTOP' | 'SIGCONT') => void
}

export async function startRedis(
  t: { after: (end: () => Promise<void>) => void },
  { config = [], cliOptions = [], program = 'redis-server', tls }: RedisOptions = {},
): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-redis-'))
  const port = await freePort()
  const file = join(folder, 'redis.conf')
  // (redis-server would write its data on SIGTERM, too.)
  const usual = [`dir ${folder}`, 'bind 127.0.0.1', ...(program === 'redis-server' ? ['save ""'] : [])]
  const secured = tls && [
    ...['port 0', `tls-port ${port}`, `tls-cert-file ${tls.cert}`, `tls-key-file ${tls.key}`],
    ...[`tls-ca-cert-file ${tls.cert}`, `tls-auth-clients ${tls.clients === 'certified' ? 'yes' : 'no'}`],
  ]
  const cliTls = tls ? ['--tls', '--cacert', tls.cert, '--cert', tls.cert, '--key', tls.key, '-h', 'localhost'] : []
  writeFileSync(file, [...usual, ...(secured ?? [`port ${port}`]), ...config].join('\n'))
  const launch = () => endsWithUs(spawn(program, [file], { stdio: ['ignore', 'pipe', 'inherit'] }))
  let child: ReturnType<typeof launch>
  const start = async () => {
    child = launch()
    const lines: string[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      if (!/Ready to accept connections|Sentinel ID is/.test(line)) continue
      child.stdout.resume()
      return
    }
    throw new Error(`${program} did not start:\n${lines.join('\n')}`)
  }
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    child.kill('SIGCONT')
    await end(child, signal)
  }
  t.after(async () => {
    await kill()
    rmSync(folder, { recursive: true })
  })
  await start()
  return {
    port,
    url: tls ? `rediss://localhost:${port}` : `redis://127.0.0.1:${port}`,
    async cli(...command) {
      const { stdout } = await run('redis-cli', ['-p', String(port), ...cliTls, ...cliOptions, ...command])
      return stdout.trimEnd()
    },
    kill,
    start,
    signal: name => void child.kill(name),
  }
}

function has(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
