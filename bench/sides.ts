/**
 * Ours and another server side by side, in short turns, so that whatever the machine does meanwhile meets both. What is
 * compared is what stood next to each other.
 */
import { type Bench, withServer } from './bench.ts'
import type { Generator } from './generator.ts'
import type { Peer, Target } from './peers/peer.ts'

/** `name` is what the figures are filed under. */
export interface Entry {
  name: string
  peer: Peer
  distinct?: boolean
}

export interface Side extends Entry {
  target: Target
  generator: Generator
}

export type Sides = readonly [ours: Side, theirs: Side]

export const withBoth = (
  bench: Bench,
  ours: Entry,
  theirs: Entry,
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

/** One after the other, while the other one stands still: what it does by itself, pings for instance, is not in the way. */
export async function eachAlone<T>(sides: Sides, measure: (side: Side) => Promise<T>): Promise<T[]> {
  const [ours, theirs] = sides
  const results: T[] = []
  for (const [side, other] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    process.kill(other.target.program.pid, 'SIGSTOP')
    try {
      results.push(await measure(side))
    } finally {
      process.kill(other.target.program.pid, 'SIGCONT')
    }
  }
  return results
}

/** A figure of each, to be compared. */
export const named = ([ours, theirs]: Sides, [first, second]: readonly number[]) =>
  [
    [ours.name, first!],
    [theirs.name, second!],
  ] as const
