/**
 * What growth costs: sessions, workers, and nodes that share Redis. All cables have one core, so their CPU counts, and not their
 * times. What more cores add follows from the CPU of the busiest process: with a core for each process, that one is the limit.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, HTML } from '../bench.ts'
import { Generator } from '../generator.ts'
import { STREAM } from '../peers/peer.ts'
import { type RunningTopology, type Topology, withTopology } from '../topology.ts'

export const TOPOLOGIES: readonly Topology[] = [
  { name: 'memory', nodes: 1, isInRedis: false, flags: [] },
  { name: 'memory, 2 workers', nodes: 1, isInRedis: false, flags: ['--workers=2'] },
  { name: 'Redis, 1 node', nodes: 1, isInRedis: true, flags: [] },
  { name: 'Redis, 1 node, 2 workers', nodes: 1, isInRedis: true, flags: ['--workers=2'] },
  { name: 'Redis, 3 nodes', nodes: 3, isInRedis: true, flags: [] },
  { name: 'Redis, 3 nodes, 2 workers each', nodes: 3, isInRedis: true, flags: ['--workers=2'] },
]

const SIZES = [1_000, 10_000] as const
const WARM_UPS = 5

/** The columns of the table, and the measure of each. */
export const GROWTH_COLUMNS: Readonly<Record<string, string>> = {
  'a delivery, 1k sessions, µs': 'growth us 1000',
  '10k sessions, µs': 'growth us 10000',
  'deliveries a second with a core for each process, 1k': 'growth most 1000',
  'the same, 10k': 'growth most 10000',
  'an idle session, 1k, µs/s': 'growth idle 1000',
  '10k, µs/s': 'growth idle 10000',
  'memory of a session, KiB': 'growth rss',
  'a publication, CPU of the cables, µs': 'growth publication',
  'CPU of Redis, µs': 'growth redis publication',
  'publications a second here': 'growth publications',
}

export async function growth(bench: Bench, topology: Topology): Promise<void> {
  await withTopology(topology, async running => {
    const generator = await Generator.start(bench.generator, bench.scratch)
    try {
      await measure(bench, topology.name, running, generator)
    } finally {
      await generator.stop()
    }
  })
}

async function measure(bench: Bench, name: string, running: RunningTopology, generator: Generator): Promise<void> {
  const { quick, bytes } = bench
  const add = (what: string, value: number) => bench.figures.add(`growth ${what}`, name, value)
  const [first] = running.nodes
  const connect = async (sessions: number) => {
    for (const node of running.nodes)
      await generator.connect(node.port, await node.clients(Math.ceil(sessions / running.nodes.length)), node)
    await generator.posts(first!.postPort, [{ group: 0, request: first!.post(STREAM, { html: HTML, bytes }) }])
  }
  let sessions = running.nodes.length
  await connect(sessions)
  for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: quick ? 100 : 400, window: 16 })
  const redisBefore = await running.redis?.cpuMs()
  const { us, posts, ms } = await spend(running, generator, { ms: quick ? 500 : 3_000, window: 16 })
  add('publication', us / posts)
  add('publications', (1_000 * posts) / ms)
  if (redisBefore !== undefined)
    add('redis publication', (1_000 * ((await running.redis!.cpuMs()) - redisBefore)) / posts)

  let light = 0
  for (const size of SIZES) {
    await connect(size - sessions)
    sessions = size
    for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: quick ? 100 : 300 })
    for (let turn = 0; turn < (quick ? 1 : 3); turn++) {
      const { us, busiestUs, frames } = await spend(running, generator, { ms: quick ? 300 : 1_000, window: 1 })
      add(`us ${size}`, us / frames)
      add(`most ${size}`, (1e6 * frames) / busiestUs)
    }
    await pause(quick ? 500 : 4_000)
    const [before, began] = [running.cpuMs(), performance.now()]
    await pause(quick ? 3_000 : 15_000)
    const [spent, seconds] = [running.cpuMs() - before, (performance.now() - began) / 1_000]
    add(`idle ${size}`, (1_000 * spent) / seconds / size)
    if (size === SIZES[0]) light = running.residentKiB()
    else add('rss', (running.residentKiB() - light) / (SIZES[1] - SIZES[0]))
  }
}

/** A run, and the CPU that all cables, and the busiest of their processes, spent on it, µs. */
async function spend(running: RunningTopology, generator: Generator, options: { ms: number; window: number }) {
  const before = running.cpuMsByProcess()
  const run = await generator.run(options)
  const spent = [...running.cpuMsByProcess()].map(([pid, ms]) => 1_000 * (ms - (before.get(pid) ?? 0)))
  return { ...run, us: spent.reduce((all, us) => all + us, 0), busiestUs: Math.max(...spent) }
}
