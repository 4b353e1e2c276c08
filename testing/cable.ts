/** For tests: starts a real cable as a separate process, as `npm run cable` does. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { createHmac, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { type ChildExit, end, endsWithUs, healthy } from './child.ts'
import { createFront, type Front } from './front.ts'

const ROOT = resolve(import.meta.dirname, '..')

/**
 * With one of these variables the broker of every cable answers later: with delays from this seed, or in Redis at this URL,
 * where each cable has its own data. `NODES`: so many processes are one cable.
 */
const { HOTCABLE_TEST_SEED: SEED, HOTCABLE_TEST_REDIS: REDIS, HOTCABLE_TEST_NODES: NODES = '1' } = process.env
/** Every cable has so many workers. */
const { HOTCABLE_TEST_WORKERS: WORKERS } = process.env

export interface RunningCable {
  readonly child: ChildProcess
  /** Where clients connect. */
  readonly url: string
  /** Where backends POST. */
  readonly broadcast: string
  /** What it logged before clients could connect. */
  readonly firstLines: readonly string[]
  /** Where clients of each of its processes connect. */
  readonly nodes: readonly string[]
  /** Kills one of several processes, and starts another one in its place after so many ms. */
  readonly replace?: (at: number, afterMs: number) => Promise<void>
  stop: (signal?: NodeJS.Signals) => Promise<ChildExit>
}

export interface TurboCable extends RunningCable {
  /** The key of broadcasts, derived from the secret. */
  readonly key: string
}

export interface StartOptions {
  /** The only settings in its environment. */
  settings?: Readonly<Record<string, string>>
  nodeFlags?: readonly string[]
  /** The command that starts another cable than this clone's. */
  program?: readonly [command: string, ...args: string[]] | undefined
}

/** On a free port unless `flags` name one; resolves when clients can connect. The flags must let it log `info`, and take HTTP. */
export async function startCable(flags: readonly string[], options: StartOptions = {}): Promise<RunningCable> {
  const { program } = options
  if (flags.some(flag => /^--log_level=(?!info|debug)/.test(flag)))
    throw new Error('the log must say where the cable is')
  if (REDIS === undefined || program !== undefined || flags.includes('--broker=none'))
    return await startProcess(flags, options)
  const shared = [...flags, '--broker=redis', `--redis_url=${REDIS}`, `--redis_prefix=${randomUUID()}:`]
  return NODES === '1' ? await startProcess(shared, options) : await startNodes(Number(NODES), shared, options)
}

function startProcess(
  flags: readonly string[],
  { settings = {}, nodeFlags = [], program }: StartOptions,
): Promise<RunningCable> {
  const main = SEED === undefined ? 'server/main.ts' : 'server/test/delayed-main.ts'
  const [command, ...args] = program ?? [process.execPath, ...nodeFlags, main]
  const seed = SEED === undefined ? {} : { HOTCABLE_TEST_SEED: SEED }
  const env = { ...withoutSettings('ANYCABLE_', 'HOTCABLE_'), ...seed, ...settings }
  if (WORKERS !== undefined && program === undefined && !flags.includes('--dev'))
    flags = [...flags, `--workers=${WORKERS}`]
  const ports = ['--port=0', ...(takesUsualPort(flags, settings) ? ['--http_broadcast_port=0'] : [])]
  return listening(
    spawn(command, [...args, ...ports, ...flags], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'] }),
  )
}

/** Without a secret a cable takes port 8090 for broadcasts, which only one of several tests can have. */
const takesUsualPort = (flags: readonly string[], settings: Readonly<Record<string, string>>): boolean =>
  !flags.some(flag => /^--(secret|broadcast_key|http_broadcast_(secret|port))=/.test(flag)) &&
  !Object.keys(settings).some(name => /_(SECRET|BROADCAST_KEY|HTTP_BROADCAST_(SECRET|PORT))$/.test(name))

/** Several processes that are one cable, behind a front on each port that the flags name. */
async function startNodes(count: number, flags: readonly string[], options: StartOptions): Promise<RunningCable> {
  const portOf = (name: string) => Number(flags.findLast(flag => flag.startsWith(`--${name}=`))?.split('=')[1] ?? 0)
  const own = flags.map(flag => flag.replace(/^(--\w*port)=.*/, '$1=0'))
  const nodes = await Promise.all(Array.from({ length: count }, () => startProcess(own, options)))
  // (On a busy machine a cable listens before it has reached Redis.)
  for (const { url, child } of nodes) await healthy(new URL('/ready', url.replace('ws', 'http')).href, child)
  const fronts: Front[] = []
  const front = async (port: number, ports: readonly number[]) => {
    const made = await createFront(ports, port)
    fronts.push(made)
    return made.port
  }
  const [urls, broadcasts] = [nodes.map(({ url }) => new URL(url)), nodes.map(({ broadcast }) => new URL(broadcast))]
  const [ports, broadcastPorts] = [urls, broadcasts].map(all => all.map(url => Number(url.port)))
  const port = await front(portOf('port'), ports!)
  const isShared = urls[0]!.port === broadcasts[0]!.port
  const at = isShared ? port : await front(portOf('http_broadcast_port'), broadcastPorts!)
  return {
    child: nodes[0]!.child,
    url: Object.assign(urls[0]!, { port: String(port) }).href,
    broadcast: Object.assign(broadcasts[0]!, { port: String(at) }).href,
    firstLines: nodes[0]!.firstLines,
    nodes: nodes.map(({ url }) => url),
    async replace(at, afterMs) {
      await nodes[at]!.stop('SIGKILL')
      await pause(afterMs)
      const next = await startProcess(own, options)
      nodes[at] = next
      ports![at] = Number(new URL(next.url).port)
      broadcastPorts![at] = Number(new URL(next.broadcast).port)
    },
    async stop(signal) {
      const exits = await Promise.all(nodes.map(({ stop }) => stop(signal)))
      await Promise.all(fronts.map(({ close }) => close()))
      return exits.find(({ code }) => code !== 0) ?? exits[0]!
    },
  }
}

/** A cable that was started with a pipe for its log, at `info`; resolves when clients can connect. */
export async function listening(cable: ChildProcessByStdio<null, Readable, null>): Promise<RunningCable> {
  const child = endsWithUs(cable)
  const lines: string[] = []
  let url: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    url = /clients connect to (\S+)/.exec(line)?.[1] ?? url
    const broadcast = /backends broadcast to (\S+)/.exec(line)?.[1]
    if (url === undefined || broadcast === undefined) continue
    child.stdout.resume()
    return { child, url, broadcast, firstLines: lines, nodes: [url], stop: signal => end(child, signal) }
  }
  throw new Error(`the cable did not start; above is what it wrote to stderr:\n${lines.join('\n')}`)
}

/** Starts a cable for Turbo that has one secret. */
export async function startTurboCable(secret: string, more: readonly string[] = []): Promise<TurboCable> {
  const flags = ['--turbo_streams', '--max_subscriptions=1000', '--dev']
  const cable = await startCable([...flags, ...more], { settings: { ANYCABLE_SECRET: secret } })
  return { ...cable, key: createHmac('sha256', secret).update('broadcast-cable').digest('hex') }
}

/** The environment without the variables that would configure a cable. */
export const withoutSettings = (...prefixes: readonly string[]): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => name !== 'PORT' && name !== 'HOST' && !prefixes.some(prefix => name.startsWith(prefix)),
    ),
  )
