/** The services of deploy/compose.yml as processes on free ports of this machine. The app is the Board in TypeScript. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { missing, PROXIES } from '../../../backends/harness/toolchain.ts'
import { freePorts } from '../../../start/network.ts'
import { withoutSettings } from '../../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../../testing/child.ts'
import { startRedis } from '../../../testing/redis.ts'
import { SECRET } from '../demo.ts'
import type { Deployment, DeploymentOptions, ServiceName } from './deployment.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const COMPOSE = readFileSync(join(ROOT, 'deploy/compose.yml'), 'utf8')

interface Program {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Answers 200 once it can be used. */
  readonly health: string
}

export async function startProcesses({ isShared }: DeploymentOptions): Promise<Deployment> {
  const caddy = PROXIES.caddy.find()
  if (caddy === undefined) throw new Error(missing(PROXIES.caddy))
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-deploy-'))
  const clean: (() => Promise<void>)[] = []
  const redis = isShared ? await startRedis({ after: end => void clean.push(end) }) : undefined
  const [https, http, web, ...others] = (await freePorts(9)) as [number, number, number, ...number[]]
  const secrets = join(folder, 'secrets')
  mkdirSync(secrets)
  writeFileSync(join(secrets, 'ANYCABLE_SECRET'), `${SECRET}\n`)
  writeFileSync(join(secrets, 'HOTCABLE_JWT_PREVIOUS_SECRETS'), '')

  const database = join(folder, 'board.sqlite3')
  const appUrl = `http://127.0.0.1:${web}`
  const shared = {
    ...withoutSettings('ANYCABLE_', 'HOTCABLE_'),
    ...{ SECRETS_FOLDER: secrets, HOTCABLE_OUTBOX: `sqlite:${database}` },
  }
  const cable = ([clients, broadcasts, metrics]: readonly number[]): Program => ({
    args: [
      join(ROOT, 'cli/main.ts'),
      ...flagsOf({ 'web:3000': `127.0.0.1:${web}`, 8090: broadcasts!, 9100: metrics! }),
    ],
    env: {
      ANYCABLE_PORT: String(clients),
      ANYCABLE_ALLOWED_ORIGINS: `localhost:${https}`,
      ANYCABLE_BROKER: redis ? 'redis' : 'memory',
      ANYCABLE_REDIS_URL: redis?.url ?? '',
    },
    health: `http://127.0.0.1:${clients}/ready`,
  })
  const programs: Readonly<Record<ServiceName, Program>> = {
    cable: cable(others.slice(0, 3)),
    'cable-2': cable(others.slice(3)),
    web: {
      args: ['--disable-warning=ExperimentalWarning', join(ROOT, 'web/main.ts')],
      env: {
        ...{ HOST: '127.0.0.1', PORT: String(web), HOTCABLE_DB: database },
        HOTCABLE_CABLE_URL: `http://127.0.0.1:${others[0]}`,
        ANYCABLE_HTTP_BROADCAST_URL: `http://127.0.0.1:${others[1]}/_broadcast`,
      },
      health: `${appUrl}/health`,
    },
  }
  const running = new Map<ServiceName, ChildProcess>()
  const start = async (name: ServiceName) => {
    const { args, env, health } = programs[name]
    const command = [join(ROOT, 'deploy/with-secrets.sh'), process.execPath, ...args]
    const child = launch('sh', command, { ...shared, ...env }, folder)
    running.set(name, child)
    await healthy(health, child)
  }
  const stop = async (name: ServiceName, how?: 'kill') => {
    const child = running.get(name)
    running.delete(name)
    if (child !== undefined) await end(child, how === 'kill' ? 'SIGKILL' : 'SIGTERM')
  }

  execFileSync(process.execPath, [join(ROOT, 'cli/main.ts'), 'outbox', '--apply'], { cwd: folder, env: shared })
  const cables: readonly ServiceName[] = isShared ? ['cable', 'cable-2'] : ['cable']
  await Promise.all([...cables, 'web' as const].map(start))
  const front = launch(
    caddy,
    ['run', '--config', join(ROOT, 'deploy/Caddyfile'), '--adapter', 'caddyfile'],
    {
      ...withoutSettings('ANYCABLE_', 'HOTCABLE_'),
      ...{ HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      ...{ SITE: `https://localhost:${https}`, HTTP_PORT: String(http), APP: `127.0.0.1:${web}` },
      CABLES: cables.map(name => new URL(programs[name].health).host).join(' '),
    },
    folder,
  )
  const ca = () => readFile(join(folder, 'caddy/pki/authorities/local/root.crt'), 'utf8')
  await healthy(`https://localhost:${https}/health`, front)
  return {
    origin: `https://localhost:${https}`,
    languages: ['typescript'],
    ...{ ca, start, stop },
    async close() {
      await Promise.all([end(front), ...[...running.keys()].map(name => stop(name))])
      for (const end of clean) await end()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** The arguments of the cable in compose.yml, with other hosts and ports. */
function flagsOf(mine: Readonly<Record<string, string | number>>): string[] {
  const [, service] = /^ {2}cable: .*\n([\s\S]*?)^ {2}cable-2:/m.exec(COMPOSE)!
  const [, list] = /^ {4}command:\n((?: {6}- .*\n)+)/m.exec(service!)!
  return list!
    .trim()
    .split('\n')
    .map(line => line.trim().slice(2).replace(/ # .*/, ''))
    .map(flag => Object.entries(mine).reduce((text, [from, to]) => text.replace(from, String(to)), flag))
}

function launch(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): ChildProcess {
  return endsWithUs(
    spawn(command, args, { env, cwd, stdio: ['ignore', 'ignore', process.env.VERBOSE ? 'inherit' : 'ignore'] }),
  )
}
