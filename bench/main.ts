/** `npm run bench`: measures the cable against the limit and its peers, and prints one Markdown table. */
import { spawnSync } from 'node:child_process'
import { readOptions } from '../start/options.ts'
import type { Bench } from './bench.ts'
import { compile, installSocketIo, SCRATCH } from './build.ts'
import { Figures } from './figures.ts'
import { describe, unfit } from './machine.ts'
import { actionCable } from './peers/action-cable.ts'
import { anycable, hotcable, leastWs } from './peers/cables.ts'
import type { Peer } from './peers/peer.ts'
import { bareWs, limit, nchan, rawHttp, socketIo } from './peers/plain.ts'
import { GENERATOR_CORE } from './process.ts'
import { churn } from './rows/churn.ts'
import { collected, compare, compareHerds, frameSize } from './rows/fan-out.ts'
import { GROWTH_COLUMNS, growth, TOPOLOGIES } from './rows/growth.ts'
import { ingest } from './rows/ingest.ts'
import { type JitterContender, jitter } from './rows/jitter.ts'
import { neighbours } from './rows/neighbours.ts'
import { outbox } from './rows/outbox.ts'
import { PROXY_COLUMNS, PROXY_ROWS, proxies } from './rows/proxies.ts'
import { noRails, rpc } from './rows/rpc.ts'
import { start } from './rows/start.ts'
import { storm } from './rows/storm.ts'
import { EXTRA_ROWS, ONE_WORKER, OURS_BY_EVENTS, ROWS, TWO_WORKERS } from './rows.ts'
import type { Contender } from './sides.ts'
import { figure, matrix, table, verdicts } from './table.ts'

/** As many interleaved rounds run as fit into this time. */
const ROUNDS_MS = 460_000
/** Rounds of a part alone: more would not change the result. */
const MOST_ROUNDS = 5
const TURNS_OF_WORKERS = 6

const USAGE = `Usage: npm run bench [-- --quick --only=PARTS --strict]

Measures the cable against the limit and its peers; prints one Markdown table in less than ten minutes.

  --quick       each measurement once, in about a minute; of the peers only the limit, nchan and the bare servers
  --only=PARTS  only these, comma-separated: fan-out, ingest, memory, neighbours, churn, start, and six that run only so:
                rpc, outbox, growth, proxies, jitter, action-cable
  --strict      exit code 1 when a goal is missed, or a measurement failed`

const options = readOptions(USAGE, {
  quick: { type: 'boolean', default: false },
  only: { type: 'string' },
  strict: { type: 'boolean' },
})
const problem = unfit()
if (problem !== undefined) quit(problem)
const generator = compile('generator')
if (generator === undefined) quit('the load generator needs a C compiler (cc) (Debian: apt-get install gcc libc6-dev)')

spawnSync('taskset', ['-acp', String(GENERATOR_CORE), String(process.pid)])
const began = performance.now()
const notes = new Set<string>()
/** The measurements whose last try failed. */
const failed = new Set<string>()
const bench: Bench = {
  figures: new Figures(),
  quick: options.quick,
  generator,
  scratch: SCRATCH,
  bytes: 0,
  note: text => notes.add(text),
}
const { figures } = bench
const say = (text: string) =>
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${text}\n`)

const entry = (peer: Peer): Contender => ({ name: peer.name, peer })
const OURS = entry(hotcable())
const PEERS: readonly Contender[] = [
  { ...OURS, name: 'Hotcable distinct', distinct: true },
  ...[limit(compile('limit')), nchan()].map(entry),
  ...(options.quick ? [] : [socketIo(installSocketIo()), anycable(), rawHttp()].map(entry)),
]
if (options.quick) notes.add('--quick: the bench did not measure socket.io and AnyCable')
const present = presentOf(PEERS)

const PARTS: Record<string, () => Promise<void>> = {
  async 'fan-out'() {
    for (const theirs of present) await step(`fan-out: ${theirs.name}`, () => compare(bench, OURS, theirs))
    for (const theirs of [bareWs(), ...(options.quick ? [] : [leastWs()])].map(entry))
      await step(`handshakes: ${theirs.name}`, () => compareHerds(bench, OURS, theirs))
  },
  async ingest() {
    await step('ingest: raw node:http', () => ingest(bench, OURS, entry(rawHttp()), false))
    if (!options.quick && anycable().absent === undefined)
      await step('ingest: AnyCable', () => ingest(bench, OURS, entry(anycable()), true))
  },
  memory: () => step('memory', () => collected(bench)),
  neighbours: () => step('neighbours', () => neighbours(bench)),
  churn: () => step('churn', () => churn(bench)),
  start: () => step('start', () => start(bench)),
}
/** They need other servers, and minutes. */
const EXTRA_PARTS: Record<string, () => Promise<void>> = {
  async rpc() {
    const missing = noRails() ?? anycable().absent
    if (missing === undefined) await step('rpc', () => rpc(bench))
    else notes.add(`rpc: not measured (${missing})`)
  },
  outbox: () => step('outbox', () => outbox(bench)),
  async growth() {
    const two = { ...entry(hotcable([], ['--workers=2'])), name: TWO_WORKERS }
    const one = { ...OURS, name: ONE_WORKER }
    // The side that starts first has cost some percent more.
    for (let turn = 0; turn < (options.quick ? 1 : TURNS_OF_WORKERS); turn++)
      await step('growth: two workers', () => (turn % 2 === 0 ? compare(bench, two, one) : compare(bench, one, two)))
    for (const topology of TOPOLOGIES) await step(`growth: ${topology.name}`, () => growth(bench, topology))
    await step('growth: storm', () => storm(bench))
  },
  proxies: () => proxies(bench, step),
  async jitter() {
    const folder = installSocketIo()
    const all: readonly JitterContender[] = [
      { peer: OURS.peer, kind: 'cable' },
      { peer: { ...hotcable([], ['--sse']), name: OURS_BY_EVENTS }, kind: 'events' },
      { peer: anycable(), kind: 'cable' },
      { peer: actionCable(), kind: 'Action Cable' },
      { peer: socketIo(folder, '--recovery'), kind: 'socket.io' },
      { peer: nchan(), kind: 'nchan' },
    ]
    await jitter(bench, presentOf(all), folder ?? '', step)
  },
  async 'action-cable'() {
    for (const theirs of presentOf([entry(actionCable())]))
      await step('fan-out: Action Cable', () => compare(bench, OURS, theirs))
  },
}
const ALL_PARTS = { ...PARTS, ...EXTRA_PARTS }
const wanted = options.only?.split(',') ?? Object.keys(PARTS)
const unknown = wanted.filter(name => !(name in ALL_PARTS))
if (unknown.length > 0) quit(`no such part: ${unknown.join(', ')}; there are ${Object.keys(ALL_PARTS).join(', ')}`)

bench.bytes = await frameSize(bench, OURS.peer)
const repeated = wanted.filter(name => ['fan-out', 'ingest'].includes(name))
let rounds = 0
const most = repeated.length === 0 ? 0 : options.quick ? 1 : MOST_ROUNDS
for (let longest = 0; rounds < most; rounds++) {
  const started = performance.now()
  if (rounds > 0 && started - began + longest > ROUNDS_MS) break
  for (const name of repeated) await PARTS[name]!()
  longest = Math.max(longest, performance.now() - started)
}
for (const name of wanted) if (!repeated.includes(name)) await ALL_PARTS[name]!()

// Leave out the rows of parts that were not asked for.
const rows = [
  ...ROWS.filter(
    ({ measure, subject = OURS.name }) => options.only === undefined || figures.get(measure, subject) !== undefined,
  ),
  ...EXTRA_ROWS.filter(({ measure, subject = OURS.name }) => figures.get(measure, subject) !== undefined),
]
if (rows.length > 0) console.log(`${table(rows, figures)}\n`)
for (const [columns, servers] of [
  [GROWTH_COLUMNS, TOPOLOGIES.map(({ name }) => name)],
  [PROXY_COLUMNS, PROXY_ROWS],
] as const) {
  const grown = matrix(columns, servers, figures)
  if (grown !== '') console.log(`${grown}\n`)
}
console.log(`${describe()}`)
if (rounds > 0) {
  console.log(
    `${rounds} interleaved rounds; median (least–most) → ×: ours as a multiple of theirs. Frames: ${sizes()}.`,
  )
  console.log(`Busy, server / generator: ${utilisation('10k')}; with 16 in flight: ${utilisation('10k x16')}.`)
}
const others = figures.get('others', 'all')
if (others !== undefined)
  console.log(
    `Other programs took ${percent(others.median)} (${percent(others.least)}–${percent(others.most)}) of the two cores.`,
  )
for (const note of notes) console.log(note)
console.log(`\n${((performance.now() - began) / 60_000).toFixed(1)} minutes`)
const missed = rows.some(row => verdicts(row, figures).some(([, verdict]) => verdict === 'MISSED'))
process.exit(options.strict && (missed || failed.size > 0) ? 1 : 0)

/** Those that can be measured here; a note names each of the others. */
function presentOf<T extends { readonly peer: Peer }>(all: readonly T[]): T[] {
  for (const { name, absent } of all.map(({ peer }) => peer))
    if (absent !== undefined) bench.note(`${name}: absent (${absent})`)
  return all.filter(({ peer }) => peer.absent === undefined)
}

async function step(what: string, measure: () => Promise<void>): Promise<void> {
  say(what)
  try {
    await measure()
    failed.delete(what)
  } catch (error) {
    failed.add(what)
    const note = `${what}: not measured this time: ${(error as Error).message}`
    notes.add(note)
    say(note)
  }
}

function utilisation(measure: string): string {
  return [OURS, ...PEERS]
    .map(({ name }) => {
      const [server, load] = [figures.get(`server ${measure}`, name), figures.get(`load ${measure}`, name)]
      if (server === undefined || load === undefined) return undefined
      // A server that did not always have its core shared it with other programs, so its times say little.
      return `${name} ${figure(server.median)} / ${figure(load.median)}${server.median < 0.9 ? ' (unreliable for times)' : ''}`
    })
    .filter(Boolean)
    .join(', ')
}

function sizes(): string {
  return [OURS, ...PEERS]
    .map(({ name }) => [name, figures.get('bytes', name)?.median])
    .filter(([, size]) => size !== undefined)
    .map(([name, size]) => `${name} ${size} B`)
    .join(', ')
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

function quit(why: string): never {
  console.error(`bench: ${why}`)
  process.exit(2)
}
