/**
 * The parts that every measurement uses.
 */
import type { Figures } from './figures.ts'
import { Generator, type Run, type RunOptions } from './generator.ts'
import { busyMs } from './machine.ts'
import type { Peer, Target } from './peers/peer.ts'
import { cpuMs, GENERATOR_CORE, SERVER_CORE } from './process.ts'
import { turboStream } from './wire.ts'

export interface Bench {
  readonly figures: Figures
  readonly quick: boolean
  /** The generator's program. */
  readonly generator: string
  readonly scratch: string
  /** Payload bytes of our frame; the peers send frames of the same size. */
  bytes: number
  note: (text: string) => void
}

/** A run, and the CPU that the server spent on it. */
export interface Spent extends Run {
  /** CPU of the server per message delivered, µs. */
  us: number
  /** Share of the time in which the server, and the generator, were busy. */
  server: number
  load: number
  /** Share of the two cores that other programs took. */
  others: number
}

const CORES = [SERVER_CORE, GENERATOR_CORE]

export const HTML = turboStream(300)

/** Runs `measure` with the server and a generator, and ends both. */
export async function withServer<T>(
  { generator: binary, scratch }: Bench,
  peer: Peer,
  measure: (target: Target, generator: Generator) => Promise<T>,
): Promise<T> {
  const generator = await Generator.start(binary, scratch)
  const target = await peer.start()
  try {
    return await measure(target, generator)
  } catch (error) {
    throw new Error(`${peer.name}: ${(error as Error).message}`, { cause: error })
  } finally {
    await target.program.stop()
    await generator.stop()
  }
}

/** Connects clients; returns the server's CPU time for it, ms. */
export async function connect(
  target: Target,
  generator: Generator,
  ...[count, options]: Parameters<Target['clients']>
): Promise<number> {
  const clients = await target.clients(count, options)
  const before = cpuMs(target.program.pid)
  await generator.connect(target.port, clients, target)
  return cpuMs(target.program.pid) - before
}

export async function spend({ program: { pid } }: Target, generator: Generator, options: RunOptions): Promise<Spent> {
  const [before, busyBefore] = [cpuMs(pid), busyMs(CORES)]
  const run = await generator.run(options)
  const [spent, busy] = [cpuMs(pid) - before, busyMs(CORES) - busyBefore]
  return {
    ...run,
    us: (spent * 1000) / run.frames,
    server: spent / run.ms,
    load: 1 - run.idleMs / run.ms,
    // The generator is always busy.
    others: Math.max(0, busy - spent - run.ms) / (2 * run.ms),
  }
}
