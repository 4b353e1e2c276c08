/**
 * A cable whose broker answers later (delaying-broker.ts), and a way to run one race with many seeds.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createMemoryBroker, type SyncBroker } from '../brokers/memory.ts'
import { createMemoryHistory } from '../history/memory.ts'
import { createDelayingBroker, type DelayingBroker } from './delaying-broker.ts'
import { startCable, type TestCable } from './test-cable.ts'

export interface DelayedCable {
  cable: TestCable
  broker: DelayingBroker
  /** What the broker has: it answers at once. */
  memory: SyncBroker
}

export async function delayedCable(t: TestContext, seed: number, flags: string[] = []): Promise<DelayedCable> {
  let parts: Omit<DelayedCable, 'cable'> | undefined
  const wrapBroker = (memory: SyncBroker) => {
    const broker = createDelayingBroker(memory, { seed, maxMs: 50 })
    parts = { broker, memory }
    return broker
  }
  const cable = await startCable(t, ['--noauth', '--public_streams', ...flags], { wrapBroker })
  return { cable, ...parts! }
}

/** Runs a race with many seeds at the same time, because each mostly waits. */
export function testSeeds(title: string, count: number, race: (t: TestContext, seed: number) => Promise<void>): void {
  test(`${title}: ${count} seeds`, async t => {
    const seeds = Array.from({ length: count }, (_, n) => n + 1)
    const ends = await Promise.allSettled(seeds.map(seed => race(t, seed)))
    const failures = seeds.flatMap((seed, n) => {
      const end = ends[n]!
      return end.status === 'rejected' ? [`seed ${seed}: ${end.reason}`] : []
    })
    assert.deepEqual(failures, [])
  })
}

/** Another life of the broker in memory. */
export const freshMemory = (epoch: string): SyncBroker =>
  createMemoryBroker({
    history: createMemoryHistory({
      ...{ epoch, limit: 1_000, ttlSeconds: 300, maxBytes: 1 << 26 },
      ...{ wall: Date.now, monotonic: () => performance.now() },
    }),
    ids: { has: () => false, add() {} },
  })
