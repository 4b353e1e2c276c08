/**
 * The cables that the suite is run against: ours, and the real AnyCable that the gem anycable-thruster carries.
 *
 *   gem install --install-dir tmp/gems --no-document anycable-thruster
 *
 * The gem's program is a proxy with AnyCable inside: clients come in on the proxy's port, broadcasts and metrics on
 * AnyCable's own. It has no REST API, no server-sent events, no health check, and it does not say good-bye.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { freePorts } from '../../start/network.ts'

export type Kind = 'hotcable' | 'anycable'

export interface Server {
  readonly kind: Kind
  readonly pid: number
  /** Where clients connect. */
  readonly cable: string
  /** The clients' port, for HTTP. */
  readonly http: string
  readonly broadcast: string
  readonly metrics: string
  /** Ends it as an operator would; resolves with its exit code. */
  stop: () => Promise<number | null>
}

export type Start = (flags: readonly string[], settings?: Readonly<Record<string, string>>) => Promise<Server>

const HOST = '127.0.0.1'
const { env } = process

export async function startHotcable(flags: readonly string[], nodeFlags: readonly string[] = []): Promise<Server> {
  const argv = [
    ...nodeFlags,
    'server/main.ts',
    `--host=${HOST}`,
    '--port=0',
    '--metrics_http=/metrics',
    ...(await onFreePorts(flags)),
  ]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], env: without('ANYCABLE_') })
  const lines: string[] = []
  let cable = ''
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    cable = /clients connect to (\S+)/.exec(line)?.[1] ?? cable
    const broadcast = /broadcast to (\S+)/.exec(line)?.[1]
    if (broadcast === undefined) continue
    child.stdout.resume()
    const { host } = new URL(cable)
    const metrics = `http://${host}/metrics`
    return { kind: 'hotcable', pid: child.pid!, cable, http: `http://${host}`, broadcast, metrics, ...stopping(child) }
  }
  throw new Error(`the cable did not start: ${flags.join(' ')}\n${lines.join('\n')}`)
}

/** `undefined` where the gem is not installed. */
export const findAnycable = (): string | undefined => globSync('tmp/gems/gems/anycable-thruster-*/exe/*/thrust').at(-1)

export const startAnycable =
  (program: string): Start =>
  async (flags, settings = {}) => {
    const [front, back] = await freePorts(2)
    // What it wraps lives as long as its standard input, that is, as long as the tests.
    const child = spawn(program, ['cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...without('ANYCABLE_', 'THRUSTER_'),
        ...settings,
        ANYCABLE_DISABLE_TELEMETRY: 'true',
        ANYCABLE_OPT: [...(await onFreePorts(flags)), '--metrics_http=/metrics'].map(quoted).join(' '),
        ANYCABLE_HOST: HOST,
        ANYCABLE_PORT: String(back),
        HTTP_PORT: String(front),
        LOG_REQUESTS: '0',
        STORAGE_PATH: 'tmp/thruster',
      },
    })
    const lines: string[] = []
    let broadcast = ''
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line)
      broadcast = /Accept broadcast requests at (\S+)/.exec(line)?.[1]?.replace('localhost', HOST) ?? broadcast
      if (!line.includes('Server started')) continue
      child.stdout.resume()
      const http = `http://${HOST}:${front}`
      const metrics = `http://${HOST}:${back}/metrics`
      return {
        kind: 'anycable',
        pid: child.pid!,
        cable: `ws://${HOST}:${front}/cable`,
        http,
        broadcast,
        metrics,
        ...stopping(child),
      }
    }
    throw new Error(`AnyCable did not start: ${flags.join(' ')}\n${lines.join('\n')}`)
  }

function stopping(child: ChildProcess): Pick<Server, 'stop'> {
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>
  return {
    async stop() {
      if (child.exitCode === null) child.kill('SIGTERM')
      return (await exited)[0]
    },
  }
}

/** The environment without what would configure a cable behind our back. */
function without(...prefixes: string[]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => name !== 'PORT' && !prefixes.some(prefix => name.startsWith(prefix))),
  )
}

const quoted = (flag: string) => (/[\s"']/.test(flag) ? `'${flag}'` : flag)

const onFreePorts = (flags: readonly string[]) =>
  Promise.all(
    flags.map(async flag => (flag.endsWith('=free') ? flag.replace('free', String(await freePorts(1))) : flag)),
  )
