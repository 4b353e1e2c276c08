/**
 * Our cable and another server side by side, in short turns, so that other load on the machine affects both. We
 * compare turns that stood next to each other.
 */
import { type Bench, withServer } from './bench.ts'
import type { Generator } from './generator.ts'
import type { Peer, Target } from './peers/peer.ts'
import { cpuMsByProcess } from './process.ts'

/** `name` is the server's name in the figures. */
export interface Contender {
  name: string
  peer: Peer
  distinct?: boolean
}

export interface Side extends Contender {
  target: Target
  generator: Generator
}

export type Sides = readonly [ours: Side, theirs: Side]

export const withBoth = (
  bench: Bench,
  ours: Contender,
  theirs: Contender,
  measure: (sides: Sides) => Promise<void>,
): Promise<void> =>
  withServer(bench, ours.peer, (target, generator) =>
    withServer(bench, theirs.peer, (theirTarget, theirGenerator) =>
      measure([
        { ...ours, target, generator },
        { ...theirs, target: theirTarget, generator: theirGenerator },
      ]),
    ),
  )

/** Runs each in turn while the other is stopped, so that the other's pings, for instance, do not disturb. */
export async function eachAlone<T>(sides: Sides, measure: (side: Side) => Promise<T>): Promise<T[]> {
  const [ours, theirs] = sides
  const results: T[] = []
  for (const [side, other] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    const stopped = [...cpuMsByProcess(other.target.program.pid).keys()]
    for (const pid of stopped) process.kill(pid, 'SIGSTOP')
    try {
      results.push(await measure(side))
    } finally {
      for (const pid of stopped) process.kill(pid, 'SIGCONT')
    }
  }
  return results
}

/** A figure of each server, for comparison. */
export const named = ([ours, theirs]: Sides, [first, second]: readonly number[]) =>
  [
    [ours.name, first!],
    [theirs.name, second!],
  ] as const
