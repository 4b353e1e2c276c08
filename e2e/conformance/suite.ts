/**
 * ONE suite of black-box scenarios: what every cable must do.
 *
 * Where AnyCable differs and we do not follow, the scenario says how it differs and why we do not follow; we assert both
 * behaviours, each on its own cable. One cable per set of flags is started, and shared.
 */
import { after, before, describe, test } from 'node:test'
import { startRpcApp, type Transport } from '../../testing/rpc-app.ts'
import { BROKER } from './flags.ts'
import { broadcasts } from './scenarios/broadcasts.ts'
import { handshake } from './scenarios/handshake.ts'
import { history } from './scenarios/history.ts'
import { identifiers } from './scenarios/identifiers.ts'
import { living } from './scenarios/living.ts'
import { malformed } from './scenarios/malformed.ts'
import { nesting } from './scenarios/nesting.ts'
import { presence } from './scenarios/presence.ts'
import { publishing } from './scenarios/publishing.ts'
import { restApi } from './scenarios/rest-api.ts'
import { resuming } from './scenarios/resuming.ts'
import { commands } from './scenarios/rpc-commands.ts'
import { connecting } from './scenarios/rpc-connecting.ts'
import { failures } from './scenarios/rpc-failures.ts'
import { endings, mixed, waiting } from './scenarios/rpc-mixed.ts'
import { forgetting } from './scenarios/rpc-without-broker.ts'
import { streaming } from './scenarios/streaming.ts'
import { subscriptions } from './scenarios/subscriptions.ts'
import { tokens } from './scenarios/tokens.ts'
import { whispers } from './scenarios/whispers.ts'
import type { CableKind, Server, StartServer } from './servers.ts'
import { derived } from './signing.ts'
import { type Difference, type Scenario, World } from './world.ts'

const SCENARIOS: Readonly<Record<string, readonly Scenario[]>> = {
  handshake,
  tokens,
  identifiers,
  subscriptions,
  broadcasts,
  malformed,
  nesting,
  history,
  resuming,
  whispers,
  presence,
  publishing,
  'REST API': restApi,
  streaming,
  living,
}

const TRANSPORTS = ['http', 'grpc'] as const

/** Scenarios of an app that the cable calls: on every cable, or on ours alone. */
const RPC: Readonly<Record<string, readonly Scenario[]>> = {
  'RPC: connecting': TRANSPORTS.flatMap(connecting),
  'RPC: commands': TRANSPORTS.flatMap(commands),
  'RPC: endings': TRANSPORTS.flatMap(endings),
  'RPC: mixed': TRANSPORTS.flatMap(mixed),
  'RPC: waiting': TRANSPORTS.flatMap(waiting),
  'RPC: failures': TRANSPORTS.flatMap(failures),
  'RPC: without a broker': TRANSPORTS.flatMap(forgetting),
}

const ALL = { ...SCENARIOS, ...RPC }

/** With these variables the cables keep everything in Redis, and consist of so many nodes. */
const { HOTCABLE_TEST_REDIS: REDIS, HOTCABLE_TEST_NODES: NODES } = process.env

/** Runs every scenario against the cables that `start` starts, under a heading. */
export function cableTests(kind: CableKind, start: StartServer, heading: string = kind): void {
  const shared = new Map<string, Promise<Server>>()
  const running: Promise<Server>[] = []
  const begin = (flags: readonly string[]) => {
    const server = startWithApp(start, flags)
    running.push(server)
    return server
  }
  const sharedServer = (flags: readonly string[]) => {
    const key = flags.join(' ')
    if (!shared.has(key)) shared.set(key, begin(flags))
    return shared.get(key)!
  }
  describe(heading, { concurrency: 3 }, () => {
    after(async () => {
      for (const server of await Promise.allSettled(running))
        if (server.status === 'fulfilled') await server.value.stop()
    })
    for (const [chapter, scenarios] of Object.entries(ALL))
      describe(chapter, { concurrency: 8 }, () => chapterTests(scenarios))
  })

  function chapterTests(scenarios: readonly Scenario[]): void {
    // The start of a cable must not count in the time of the first scenario.
    before(async () => {
      const sharing = scenarios.filter(scenario => !scenario.alone && runs(kind, scenario))
      for (const flags of new Set(sharing.map(({ flags = [] }) => flags))) await sharedServer(flags)
    })
    for (const scenario of scenarios) {
      const { title, flags = [], alone, differs, absent, todo } = scenario
      const skip = runs(kind, scenario)
        ? (REDIS !== undefined && scenario.inMemory) ||
          (NODES !== undefined && scenario.ofOneNode) ||
          (BROKER === 'none' && scenario.needsBroker) ||
          false
        : (absent ?? `${differs!.anycable} (${differs!.why})`)
      const run = kind === 'anycable' && differs ? differs.run! : scenario.run
      const name = kind === 'anycable' && differs ? `${title} · AnyCable ${differs.anycable}` : title
      test(name, { skip, todo: kind === 'hotcable' ? todo : undefined, timeout: 120_000 }, async () => {
        const world = new World(await (alone ? begin(flags) : sharedServer(flags)))
        try {
          await run(world)
          world.end()
        } finally {
          world.close()
        }
      })
    }
  }
}

/** Starts an app first if the flags name a transport of RPC in the place of its host. */
async function startWithApp(start: StartServer, flags: readonly string[]): Promise<Server> {
  const flag = flags.find(flag => flag.startsWith('--rpc_host='))
  if (flag === undefined) return await start(flags)
  const closing: (() => unknown)[] = []
  const transport = flag.replace('--rpc_host=', '') as Transport
  const app = await startRpcApp({ after: (end: () => unknown) => void closing.push(end) }, transport, {
    secret: derived('rpc-cable'),
  })
  const server = await start(flags.map(other => (other === flag ? `--rpc_host=${app.host}` : other)))
  return {
    ...server,
    app,
    async stop() {
      const code = await server.stop()
      for (const close of closing) await close()
      return code
    },
  }
}

const runs = (kind: CableKind, { absent, differs }: Scenario): boolean =>
  kind === 'hotcable' || (absent === undefined && (differs === undefined || differs.run !== undefined))

/** Where AnyCable differs, and why we do not follow. */
export const differences = (): (Difference & { title: string })[] =>
  Object.values(ALL).flatMap(scenarios =>
    scenarios.flatMap(({ title, differs }) => (differs ? [{ title, ...differs }] : [])),
  )
