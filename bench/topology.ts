/**
 * Several cables that share a broker, on one core: what they cost together. Redis has the core of the generator.
 */
import { withEnds } from '../testing/ends.ts'
import { startRedis, type TestRedis } from '../testing/redis.ts'
import { hotcable } from './peers/cables.ts'
import type { Target } from './peers/peer.ts'
import { cpuMs, cpuMsByProcess, residentKiB } from './process.ts'

export interface Topology {
  readonly name: string
  readonly nodes: number
  readonly isInRedis: boolean
  readonly flags: readonly string[]
}

export interface RunningTopology {
  readonly nodes: readonly Target[]
  /** CPU of all cables, ms. */
  cpuMs: () => number
  /** CPU of each of their processes, ms, by its id. */
  cpuMsByProcess: () => ReadonlyMap<number, number>
  /** Resident memory of all cables, KiB. */
  residentKiB: () => number
  readonly redis: MeasuredRedis | undefined
}

export interface MeasuredRedis {
  /** CPU, ms. */
  cpuMs: () => Promise<number>
  /** Commands, also those of its functions, since it started. */
  commands: () => Promise<number>
  /** Bytes of its data. */
  bytes: () => Promise<number>
}

/** Runs `measure` with the cables, and ends them. */
export async function withTopology(
  { nodes, isInRedis, flags }: Omit<Topology, 'name'>,
  measure: (topology: RunningTopology) => Promise<void>,
): Promise<void> {
  await withEnds(async t => {
    const redis = isInRedis ? await startRedis(t) : undefined
    const own = redis === undefined ? [] : ['--broker=redis', `--redis_url=${redis.url}`]
    const targets: Target[] = []
    for (let node = 0; node < nodes; node++) {
      const target = await hotcable([], [...own, ...flags]).start()
      t.after(() => target.program.stop())
      targets.push(target)
    }
    const running = () => targets.flatMap(({ program: { child, pid } }) => (child.exitCode === null ? [pid] : []))
    const sum = (of: (pid: number) => number) => running().reduce((all, pid) => all + of(pid), 0)
    await measure({
      nodes: targets,
      cpuMs: () => sum(cpuMs),
      cpuMsByProcess: () => new Map(running().flatMap(pid => [...cpuMsByProcess(pid)])),
      residentKiB: () => sum(residentKiB),
      redis: redis && measured(redis),
    })
  })
}

function measured({ cli }: TestRedis): MeasuredRedis {
  const info = async (section: string, ...names: readonly string[]) => {
    const text = await cli('INFO', section)
    return names.reduce((sum, name) => sum + Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)![1]), 0)
  }
  return {
    cpuMs: async () => 1_000 * (await info('cpu', 'used_cpu_sys', 'used_cpu_user')),
    commands: () => info('stats', 'total_commands_processed'),
    bytes: () => info('memory', 'used_memory'),
  }
}
