/**
 * ONE suite of black-box scenarios: what every cable must do.
 *
 * Where AnyCable differs and we do not follow, the scenario says how it differs and why we do not follow; we assert both
 * behaviours, each on its own cable. One cable per set of flags is started, and shared.
 */
import { after, before, describe, test } from 'node:test'
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
import { streaming } from './scenarios/streaming.ts'
import { subscriptions } from './scenarios/subscriptions.ts'
import { tokens } from './scenarios/tokens.ts'
import { whispers } from './scenarios/whispers.ts'
import type { CableKind, Server, StartServer } from './servers.ts'
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

/** With this variable the cables keep everything in Redis. */
const { HOTCABLE_TEST_REDIS: REDIS } = process.env

/** Runs every scenario against the cables that `start` starts, under a heading. */
export function cableTests(kind: CableKind, start: StartServer, heading: string = kind): void {
  const shared = new Map<string, Promise<Server>>()
  const running: Promise<Server>[] = []
  const begin = (flags: readonly string[]) => {
    const server = start(flags)
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
    for (const [chapter, scenarios] of Object.entries(SCENARIOS))
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
        ? (REDIS !== undefined && scenario.inMemory) || false
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

const runs = (kind: CableKind, { absent, differs }: Scenario): boolean =>
  kind === 'hotcable' || (absent === undefined && (differs === undefined || differs.run !== undefined))

/** Where AnyCable differs, and why we do not follow. */
export const differences = (): (Difference & { title: string })[] =>
  Object.values(SCENARIOS).flatMap(scenarios =>
    scenarios.flatMap(({ title, differs }) => (differs ? [{ title, ...differs }] : [])),
  )
