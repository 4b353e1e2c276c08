/**
 * The parts that the runner knows, and their steps: each step is a program that counts its own tests.
 *
 * `npm test` has one test of each kind, and takes minutes. `npm run test:full` has the repetitions as well, and takes more than
 * half an hour. `npm run test:nightly` has what takes too long for either, and what a change seldom breaks.
 */
import { filled, LANGUAGES, type Language } from '../../backends/harness/languages.ts'
import { CHROMIUM, DOCKER, FIREFOX, JAVA, REDIS, type Tool } from '../../backends/harness/toolchain.ts'
import { LANGUAGES as EJECTED } from '../../eject/languages.ts'
import { findAnycable } from '../conformance/servers.ts'
import { MAJORS, runtime, versionOf } from '../package/nodes.ts'

export type Step = { readonly needs?: Tool | readonly Tool[]; readonly env?: Readonly<Record<string, string>> } & (
  | {
      readonly tests: readonly string[]
      readonly node?: string
      /** A program that starts the tests as its command. */
      readonly within?: string
      /** Beginnings of test titles. */
      readonly only?: string
      readonly skip?: string
    }
  | { readonly project: string; readonly within?: string }
  /** Its last line is `N passed, N failed`; with `asOne` its exit code is one test. */
  | { readonly program: readonly [command: string, ...args: string[]]; readonly asOne?: boolean }
)

export interface Part {
  /** Not in `npm test`. */
  readonly isExtra?: boolean
  /** Not in `npm run test:full`. */
  readonly isNightly?: boolean
  /** In no list, because most machines that run the tests have no Docker. */
  readonly needsDocker?: boolean
  /** It measures time: nothing else runs meanwhile. */
  readonly isAlone?: boolean
  readonly steps: readonly Step[]
}

const NODE_22: Tool = {
  title: 'Node 22',
  needs: 'Node 22.18 or a later 22',
  packages: [],
  option: '--runtimes',
  isPresent: async () => (versionOf(runtime(22)) ?? '') >= 'v22.18',
}
const ALL_NODES: Tool = {
  ...NODE_22,
  title: `Node ${MAJORS.join(' and ')}`,
  needs: `Node ${MAJORS.join(' and ')}`,
  isPresent: async () => MAJORS.every(major => versionOf(runtime(major)) !== undefined),
}

const ANYCABLE: Tool = {
  title: 'The real AnyCable',
  needs: 'the gem anycable-thruster',
  packages: [],
  option: '--reference',
  isPresent: async () => findAnycable() !== undefined,
}

const UNIT = [
  'cli/**/*.test.ts',
  'client/*.test.ts',
  'server/**/!(redis-*|outbox-postgres-*|workers-*|rpc-flapping|broker-races|broker-gaps|delaying-broker).test.ts',
  'web/**/*.test.ts',
  'start/**/*.test.ts',
  'bench/**/*.test.ts',
  'lint/*.test.ts',
  'testing/*.test.ts',
  'e2e/tools/*.test.ts',
]
const FUZZ = 'e2e/conformance/fuzz.test.ts'
/** With this variable all cables have a broker that answers later; its number seeds the delays. */
const LATE = { HOTCABLE_TEST_SEED: '1' }
/** Programs that run a suite on three nodes, and on workers. */
const NODES = 'testing/with-nodes.ts'
const WORKERS = 'testing/with-workers.ts'
/** Suites of the server that hold for a cable that keeps everything in Redis. */
const IN_REDIS = [
  ...['history', 'gaps', 'broadcasts', 'several-streams', 'publication-ids', 'messages', 'presence'],
  ...['waiting-grants', 'rpc', 'rpc-departures'],
].map(name => `server/test/${name}.test.ts`)
const JDK = "^the JDK's client"
/** Beginnings of titles: tests of a kind that another one in `npm test` stands for, and that take seconds of a core. */
const REPEATS = `^(${[
  'SIGTERM ends everything',
  'a misconfigured web app',
  'an intended outage',
  'npm start goes on',
  'npm start names a language',
  'npm start reports a misconfigured Board',
  'only this machine reaches the Board',
  'the port opens after 5 s',
  'a connection that freezes is given up',
  'a cable that is killed again and again',
  'of two cables that share a broker one reads',
  'the right answers the helper in (?!ruby)',
  'a Board reports (?!no secret)',
  'every cable in a Markdown file starts',
].join('|')})`
/** With this variable cables that call an app keep nothing, as AnyCable's do by default. */
const FORGETFUL = { HOTCABLE_TEST_BROKER: 'none' }
/** Scenarios that `npm test` runs over HTTP. */
const OVER_GRPC = '\\(gRPC\\)$'
const EJECT = 'e2e/eject/run.test.ts'
/** Another one each day. */
const EJECTED_TODAY = Object.keys(EJECTED)[Math.floor(Date.now() / 86_400_000) % Object.keys(EJECTED).length]
const SOAK = [process.execPath, 'e2e/soak/main.ts'] as const

export const PARTS: Readonly<Record<string, Part>> = {
  unit: { steps: [{ tests: UNIT, skip: `${JDK}|${REPEATS}` }] },
  languages: {
    steps: [
      { program: [process.execPath, 'backends/vectors/generate.ts', '--check'] },
      { tests: ['backends/**/*.test.ts', 'e2e/languages/*.test.ts'], skip: REPEATS },
      { tests: ['e2e/conformance/{conformance,anycable-file}.test.ts'], skip: OVER_GRPC },
      { tests: [FUZZ], env: { HOTCABLE_FUZZ: '300' } },
      { tests: [FUZZ], env: { HOTCABLE_FUZZ: '100', ...LATE } },
      ...Object.values<Language>(LANGUAGES).flatMap(checkOf),
    ],
  },
  package: {
    steps: [{ tests: ['e2e/package/package.test.ts', 'e2e/package/image.test.ts', 'e2e/eject/eject.test.ts'] }],
  },
  browser: { steps: [{ project: 'board', needs: CHROMIUM }] },
  boards: { isExtra: true, steps: [{ project: 'boards', needs: CHROMIUM }] },
  recipes: { isExtra: true, steps: [{ project: 'recipes', needs: CHROMIUM }] },
  runtimes: {
    isExtra: true,
    steps: [
      { tests: [...UNIT, 'backends/typescript/*.test.ts'], skip: JDK, node: runtime(22), needs: NODE_22 },
      { tests: ['e2e/package/conformance.test.ts'], needs: ALL_NODES },
      { tests: ['web/http2.test.ts'], only: JDK, needs: JAVA },
    ],
  },
  repeats: {
    isExtra: true,
    steps: [
      {
        tests: [
          'start/main.test.ts',
          'server/broadcast/{redis,outbox-sqlite}.test.ts',
          'backends/check/check.test.ts',
          'e2e/languages/{commands,database,start}.test.ts',
        ],
        only: REPEATS,
      },
    ],
  },
  'eject-one': { isExtra: true, steps: [{ tests: [EJECT], only: `^${EJECTED_TODAY}`, needs: CHROMIUM }] },
  rpc: {
    isExtra: true,
    steps: [
      { tests: ['e2e/conformance/conformance.test.ts'], only: OVER_GRPC },
      { tests: ['e2e/conformance/conformance.test.ts'], only: '\\((HTTP|gRPC)\\)$', env: FORGETFUL },
      { tests: ['e2e/rails/from-action-cable.test.ts'] },
    ],
  },
  rails: { isExtra: true, isNightly: true, steps: [{ tests: ['e2e/rails/load.test.ts'] }] },
  proxies: { isExtra: true, steps: [{ tests: ['e2e/proxies/*.test.ts'] }] },
  deploy: { isExtra: true, steps: [{ tests: ['e2e/deploy/*.test.ts'] }] },
  production: { isExtra: true, isNightly: true, steps: [{ project: 'deploy', needs: REDIS }] },
  compose: {
    isExtra: true,
    needsDocker: true,
    steps: [{ project: 'deploy', env: { HOTCABLE_E2E_DEPLOY: 'compose' }, needs: DOCKER }],
  },
  fuzz: { isExtra: true, steps: [{ tests: [FUZZ], env: { HOTCABLE_FUZZ: '3000' } }] },
  late: {
    isExtra: true,
    steps: [
      { tests: ['server/test/{broker-races,broker-gaps,delaying-broker,rpc-flapping}.test.ts'] },
      { tests: ['e2e/conformance/conformance.test.ts'], env: LATE },
      { tests: [FUZZ], env: { HOTCABLE_FUZZ: '1000', ...LATE } },
      { program: [...SOAK, '--minutes=1'], asOne: true, env: LATE },
    ],
  },
  redis: {
    isExtra: true,
    steps: [{ tests: ['e2e/conformance/conformance.test.ts', ...IN_REDIS], within: 'testing/with-redis.ts' }],
  },
  nodes: {
    isExtra: true,
    isNightly: true,
    steps: [
      { tests: ['e2e/conformance/conformance.test.ts', ...IN_REDIS], within: NODES, needs: REDIS },
      { tests: [FUZZ], env: { HOTCABLE_FUZZ: '200' }, within: NODES, needs: REDIS },
      { program: [process.execPath, NODES, ...SOAK, '--minutes=1'], asOne: true, needs: REDIS },
      { project: 'heal', within: NODES, needs: [REDIS, CHROMIUM] },
    ],
  },
  stores: { isExtra: true, steps: [{ tests: ['server/**/@(redis|outbox-postgres)-*.test.ts'] }] },
  workers: {
    isExtra: true,
    steps: [
      { tests: ['server/**/workers-*.test.ts'] },
      { tests: ['e2e/conformance/conformance.test.ts'], within: WORKERS },
      { tests: [FUZZ], env: { HOTCABLE_FUZZ: '200' }, within: WORKERS },
    ],
  },
  firefox: { isExtra: true, isNightly: true, steps: [{ tests: ['e2e/firefox/*.test.ts'], needs: FIREFOX }] },
  heal: { isExtra: true, steps: [{ project: 'heal', needs: CHROMIUM }] },
  swap: {
    isExtra: true,
    steps: [{ project: 'swap', env: { HOTCABLE_E2E_CABLE: 'anycable' }, needs: ANYCABLE }],
  },
  soak: {
    isExtra: true,
    isNightly: true,
    steps: [
      { program: [...SOAK, '--minutes=1'], asOne: true },
      { program: [...SOAK, '--pages'], asOne: true },
    ],
  },
  chaos: {
    isExtra: true,
    isNightly: true,
    steps: [{ program: [process.execPath, 'e2e/chaos/main.ts', '--quick'], asOne: true }],
  },
  eject: { isExtra: true, isNightly: true, steps: [{ tests: [EJECT], needs: CHROMIUM }] },
  'long-fuzz': {
    isExtra: true,
    isNightly: true,
    steps: [{ tests: [FUZZ], env: { HOTCABLE_FUZZ: '10000' } }],
  },
  bench: {
    isExtra: true,
    isNightly: true,
    isAlone: true,
    steps: [{ program: [process.execPath, 'bench/main.ts', '--strict'], asOne: true }],
  },
}

/** What `npm run test:nightly` runs, and .github/workflows/nightly.yml. */
export const NIGHTLY: readonly string[] = ['heal', 'swap', ...Object.keys(PARTS).filter(part => PARTS[part]!.isNightly)]

/** The helper's own tests. */
function checkOf(language: Language): Step[] {
  if (language.check === undefined) return []
  const { command, args } = filled(language.check)
  return [{ program: [command, ...args], needs: language }]
}
