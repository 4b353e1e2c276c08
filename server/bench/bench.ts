/**
 * What every measurement has at hand.
 */
import type { Figures } from './figures.ts'
import { Generator, type Run, type RunOptions } from './generator.ts'
import type { Peer, Target } from './peers/peer.ts'
import { cpuMs } from './process.ts'
import { turboStream } from './wire.ts'

export interface Bench {
  readonly figures: Figures
  readonly quick: boolean
  /** The generator's program. */
  readonly generator: string
  readonly scratch: string
  /** Size of our frame's payload, which the peers' is made to be. */
  bytes: number
  note: (text: string) => void
}

/** A run, and what the server spent on it. */
export interface Spent extends Run {
  /** CPU of the server per message delivered, µs. */
  us: number
  /** Share of its core that each used. */
  server: number
  load: number
}

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
    await generator.stop()
    await target.stop()
  }
}

export async function spend({ pid }: Target, generator: Generator, options: RunOptions): Promise<Spent> {
  const before = cpuMs(pid)
  const run = await generator.run(options)
  const spent = cpuMs(pid) - before
  return { ...run, us: (spent * 1000) / run.frames, server: spent / run.ms, load: run.cpuMs / run.ms }
}
