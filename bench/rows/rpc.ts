/**
 * Clients that connect and subscribe: with a token and a signed name, by RPC over HTTP, and over gRPC. The application is the chat
 * in Rails, whose channel opens one stream; it shares the core of the clients. A few clients connect at a time, and stay.
 */
import { existsSync, globSync } from 'node:fs'
import { issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { freePorts } from '../../start/network.ts'
import { type Client, connect, turboIdentifier } from '../../testing/client.ts'
import type { Bench } from '../bench.ts'
import { quantile } from '../figures.ts'
import { anycable, clean, hotcable, SECRET } from '../peers/cables.ts'
import type { Target } from '../peers/peer.ts'
import { cpuMs, GENERATOR_CORE, type MeasuredProgram, startProgram } from '../process.ts'

const WAYS = ['none', 'http', 'grpc'] as const
type Way = (typeof WAYS)[number]

const AT_ONCE = 4
/** V8 compiles hot code only after a while. */
const WARM_UP = 1_000
const CLIENTS = 1_000

/** Why RPC cannot be measured here; `undefined`: it can. */
export const noRails = (): string | undefined =>
  ['anycable-rails-core', 'grpc'].every(gem => globSync(`tmp/gems/gems/${gem}-*`).length > 0) &&
  existsSync('/usr/bin/ruby')
    ? undefined
    : 'npm run setup'

export async function rpc(bench: Bench): Promise<void> {
  for (const way of WAYS)
    for (const { name, start } of [contender('Hotcable', hotcable), contender('AnyCable', anycable)])
      await measure(bench, name, way, start)
}

const contender = (name: string, peer: typeof anycable | typeof hotcable) => ({
  name,
  start: (flags: readonly string[]) => (peer === hotcable ? hotcable([], flags) : anycable(flags)).start(),
})

async function measure(
  { figures, note, quick }: Bench,
  name: string,
  way: Way,
  start: (flags: readonly string[]) => Promise<Target>,
): Promise<void> {
  const [port, grpcPort] = (await freePorts(2)) as [number, number]
  const hosts = {
    none: [],
    http: [`--rpc_host=http://127.0.0.1:${port}/_anycable`],
    grpc: [`--rpc_host=127.0.0.1:${grpcPort}`],
  }
  const target = await start(hosts[way])
  const rails = way === 'none' ? undefined : await startRails(port, way === 'grpc' ? grpcPort : undefined, target)
  const leaving: (() => void)[] = []
  try {
    const arrive = await visitor(way, port, target, leaving)
    const count = quick ? CLIENTS / 5 : CLIENTS
    await several(quick ? WARM_UP / 5 : WARM_UP, arrive)
    const before = cpus(target, rails)
    const ms = await several(count, arrive)
    const after = cpus(target, rails)
    const [cable, app] = after.map((ms, n) => ((ms - before[n]!) * 1000) / count)
    figures.add(`rpc ${way}`, name, cable!)
    figures.add(`rpc ${way} p50`, name, quantile(ms, 0.5))
    figures.add(`rpc ${way} p99`, name, quantile(ms, 0.99))
    if (rails) figures.add(`rpc ${way} app`, name, app!)
  } catch (error) {
    note(`RPC ${way}: ${name} was not measured: ${(error as Error).message}`)
  } finally {
    for (const leave of leaving) leave()
    await target.program.stop()
    await rails?.stop()
  }
}

const cpus = ({ program }: Target, rails: MeasuredProgram | undefined): number[] => [
  cpuMs(program.pid),
  rails ? cpuMs(rails.pid) : 0,
]

const startRails = (port: number, grpcPort: number | undefined, { postPort }: Target): Promise<MeasuredProgram> =>
  startProgram('ruby', ['backends/rails/chat.rb'], {
    core: GENERATOR_CORE,
    ready: /Use Ctrl-C to stop/,
    env: {
      ...clean(),
      PORT: String(port),
      ANYCABLE_SECRET: SECRET,
      SECRET_KEY_BASE: 'bench '.repeat(16),
      ANYCABLE_HTTP_BROADCAST_URL: `http://127.0.0.1:${postPort}/_broadcast`,
      ...(grpcPort === undefined ? {} : { ANYCABLE_RPC_HOST: `127.0.0.1:${grpcPort}` }),
    },
  })

/** Returns a function that lets one client connect and subscribe. */
async function visitor(way: Way, port: number, target: Target, leaving: (() => void)[]): Promise<() => Promise<void>> {
  const url = `ws://127.0.0.1:${target.port}/cable`
  const scope = { after: (leave: () => void) => void leaving.push(leave) }
  const arrive = async (client: Client, identifier: string) => {
    await client.welcomed()
    const { type } = await client.subscribe(identifier)
    if (type !== 'confirm_subscription') throw new Error(`a client got ${type}`)
  }
  if (way === 'none') {
    const identifier = turboIdentifier(signStream('news', { secret: SECRET }))
    const query = `?jid=${issueToken({ visitor: 'a' }, { secret: SECRET })}`
    return async () => await arrive(await connect(scope, url, { query }), identifier)
  }
  const body = new URLSearchParams({ user: 'ada' })
  const login = await fetch(`http://127.0.0.1:${port}/login`, { method: 'POST', body })
  const headers = { cookie: login.headers.getSetCookie()[0]!.split(';')[0]! }
  return async () => await arrive(await connect(scope, url, { headers }), JSON.stringify({ channel: 'NewsChannel' }))
}

/** Resolves with the ms of each, sorted. */
async function several(count: number, arrive: () => Promise<void>): Promise<number[]> {
  const ms: number[] = []
  let left = count
  const lane = async () => {
    while (left-- > 0) {
      const from = performance.now()
      await arrive()
      ms.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return ms.sort((a, b) => a - b)
}
