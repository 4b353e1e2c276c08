/**
 * The cables under test: ours, and the real AnyCable from the gem anycable-thruster.
 *
 *   gem install --install-dir tmp/gems --no-document anycable-thruster
 *
 * The gem's program is a proxy with AnyCable inside: clients come in on the proxy's port, broadcasts and metrics on
 * AnyCable's own. It has no REST API, no server-sent events and no health check, and sends no disconnect when it ends.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { freePorts } from '../../start/network.ts'
import { type StartOptions, startCable, withoutSettings } from '../../testing/cable.ts'
import { end } from '../../testing/child.ts'
import type { RpcApp } from '../../testing/rpc-app.ts'

export type CableKind = 'hotcable' | 'anycable'

export interface Server {
  readonly kind: CableKind
  readonly pid: number
  /** Where clients connect. */
  readonly cable: string
  /** The same for each of its processes. */
  readonly nodes: readonly string[]
  /** The clients' port, for HTTP. */
  readonly http: string
  readonly broadcast: string
  /** Of each of its processes. */
  readonly metrics: readonly string[]
  /** The app that it calls by RPC. */
  readonly app?: RpcApp
  /** Ends it as an operator would; resolves with its exit code. */
  stop: () => Promise<number | null>
}

export type StartServer = (flags: readonly string[], settings?: Readonly<Record<string, string>>) => Promise<Server>

const HOST = '127.0.0.1'

export async function startHotcable(flags: readonly string[], options: StartOptions = {}): Promise<Server> {
  const own = [`--host=${HOST}`, '--metrics_http=/metrics', ...(await onFreePorts(flags))]
  const { child, url, broadcast, nodes, stop } = await startCable(own, options)
  const { host } = new URL(url)
  return {
    kind: 'hotcable',
    pid: child.pid!,
    cable: url,
    nodes,
    http: `http://${host}`,
    broadcast,
    metrics: nodes.map(node => `http://${new URL(node).host}/metrics`),
    stop: async () => (await stop()).code,
  }
}

/** `undefined` where the gem is not installed. */
export const findAnycable = (): string | undefined => globSync('tmp/gems/gems/anycable-thruster-*/exe/*/thrust').at(-1)

export const startAnycable =
  (program: string): StartServer =>
  async (flags, settings = {}) => {
    const [front, back] = await freePorts(2)
    // AnyCable inside the proxy lives as long as its standard input, that is, as long as the tests.
    const child = spawn(program, ['cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...withoutSettings('ANYCABLE_', 'THRUSTER_'),
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
      const metrics = [`http://${HOST}:${back}/metrics`]
      return {
        kind: 'anycable',
        pid: child.pid!,
        cable: `ws://${HOST}:${front}/cable`,
        nodes: [`ws://${HOST}:${front}/cable`],
        http,
        broadcast,
        metrics,
        stop: async () => (await end(child)).code,
      }
    }
    throw new Error(`AnyCable did not start: ${flags.join(' ')}\n${lines.join('\n')}`)
  }

const quoted = (flag: string) => (/[\s"']/.test(flag) ? `'${flag}'` : flag)

const onFreePorts = (flags: readonly string[]) =>
  Promise.all(
    flags.map(async flag => (flag.endsWith('=free') ? flag.replace('free', String(await freePorts(1))) : flag)),
  )
