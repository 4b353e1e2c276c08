/**
 * A proxy in front of everything that `npm start` runs, on free ports.
 *
 *   client ──▶ proxy ──▶ web ──▶ Boards, cable
 *                ╰─────▶ cable
 */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NEIGHBOURS, type NeighbourName } from '../../backends/harness/languages.ts'
import type { ToolCommand } from '../../backends/harness/toolchain.ts'
import { type Child, keepRunning } from '../../start/child.ts'
import { freePorts, LOOPBACK } from '../../start/network.ts'
import { outboxIn, portsNeeded, services } from '../../start/services.ts'
import { healthy } from '../../testing/child.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { CONFIGS, type ProxiedPort } from './configs.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const SECRET = 'canary of the proxies'
/** The cable's answer to a broadcast over the limit. */
const EXPECTED = /code=too_large/

export interface Demo {
  readonly folder: string
  readonly cablePort: number
  readonly webPort: number
  /** Paths of the Boards that run. */
  readonly boards: readonly string[]
  /** How many subscriptions a stream has. */
  readonly listeners: (stream: string) => Promise<number>
  readonly stop: () => Promise<void>
}

export interface RunningProxy {
  /** By site: in front of the cable, of web, and of each of them with a count of the connections between. */
  readonly at: Readonly<Record<SiteName, string>>
  readonly counts: Readonly<Record<CountedName, TcpProxy>>
  /** The lines of the log that matter. */
  readonly said: readonly string[]
  readonly child: Child
  /** Resolves when it answers. */
  readonly ready: () => Promise<void>
  readonly stop: () => Promise<void>
}

type CountedName = 'counted_cable' | 'counted_web'
type SiteName = 'cable' | 'web' | CountedName

export async function startDemo(): Promise<Demo> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-proxies-'))
  const names = Object.keys(NEIGHBOURS) as NeighbourName[]
  const found = await Promise.all(names.map(name => NEIGHBOURS[name].isPresent()))
  const languages = names.filter((_, at) => found[at])
  const [webPort, ...ports] = (await freePorts(1 + portsNeeded(languages))) as [number, number, ...number[]]
  const cablePort = ports[0]!
  const db = join(folder, 'board.sqlite3')
  execFileSync(process.execPath, ['server/main.ts', 'outbox', '--apply', `--outbox=${outboxIn(db)}`], { cwd: ROOT })
  const plan = services({
    ...{ port: webPort, host: LOOPBACK, secret: SECRET, db },
    ...{ languages, ports, watch: false },
  })
  const children = plan.map(({ title, chatter, ...command }) =>
    run(title, command, ROOT, line => {
      if (!chatter?.test(line) && !EXPECTED.test(line)) console.error(`${title}: ${line}`)
    }),
  )
  await Promise.all(plan.map(({ health }) => healthy(health)))
  return {
    ...{ folder, cablePort, webPort },
    boards: ['/', ...languages.map(name => `/${name}/`)],
    listeners: async stream => {
      const key = createHmac('sha256', SECRET).update('api-cable').digest('hex')
      const answer = await fetch(`http://${LOOPBACK}:${cablePort}/api/streams`, {
        headers: { authorization: `Bearer ${key}` },
      })
      const { streams }: { streams: { stream: string; subscriptions: number }[] } = await answer.json()
      return streams.find(each => each.stream === stream)?.subscriptions ?? 0
    },
    stop: async () => {
      await Promise.all(children.map(child => child.stop()))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export async function startProxy(name: string, { folder, cablePort, webPort }: Demo): Promise<RunningProxy> {
  const { tool, args, file, config, chatter } = CONFIGS[name]!
  const home = join(folder, name)
  mkdirSync(home)
  const counts = { counted_cable: await createProxy(cablePort), counted_web: await createProxy(webPort) }
  const targets = {
    ...{ cable: cablePort, web: webPort },
    ...{ counted_cable: counts.counted_cable.port, counted_web: counts.counted_web.port },
  }
  const ports = await freePorts(4)
  const sites = mapped(targets, (to, at): ProxiedPort => ({ port: ports[at]!, to }))
  writeFileSync(join(home, file), config(sites))
  const said: string[] = []
  // Caddy keeps its data in this folder.
  const command = { command: tool.find()!, args, env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home } }
  const child = run(name, command, home, line => {
    if (chatter?.test(line)) return
    said.push(line)
    console.error(`${name}: ${line}`)
  })
  const at = mapped(sites, ({ port }) => `http://${LOOPBACK}:${port}`)
  const ready = async () => void (await Promise.all(Object.values(at).map(site => healthy(`${site}/health`))))
  return {
    ...{ at, counts, said, child, ready },
    stop: async () => {
      await child.stop()
      await Promise.all(Object.values(counts).map(count => count.close()))
    },
  }
}

const running: Child[] = []
process.once('exit', () => {
  for (const child of running) child.kill()
})

function run(title: string, { env, ...command }: ToolCommand, cwd: string, onLine: (line: string) => void): Child {
  const child = keepRunning({ ...command, title, cwd, env: { ...process.env, ...env }, onLine, say: console.error })
  running.push(child)
  return child
}

// The runner ends a file that hangs with SIGTERM; its children must end too.
process.once('SIGTERM', () => process.exit(1))

function mapped<Name extends string, From, To>(record: Record<Name, From>, to: (from: From, at: number) => To) {
  const entries = (Object.entries(record) as [Name, From][]).map(([name, from], at) => [name, to(from, at)])
  return Object.fromEntries(entries) as Record<Name, To>
}
