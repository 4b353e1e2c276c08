/**
 * For tests: a node's broker in a real Redis, without the cable around it.
 */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { TestRedis } from '../../testing/redis.ts'
import { BrokerUnavailable, type Entry, type Feed } from '../broker.ts'
import { createRedisBroker, type RedisBroker, type RedisBrokerParts } from '../brokers/redis.ts'
import type { Publication } from '../protocol/publication.ts'

export interface Node {
  broker: RedisBroker
  /** What its feed delivered: `a 1 "text"`, `gap a`, … */
  got: string[]
  /** Resolves once the feed has delivered this. */
  until: (line: string) => Promise<void>
  lines: string[]
}

export interface NodeOptions extends Partial<Pick<RedisBrokerParts, 'history_limit' | 'history_ttl' | 'prefix'>> {
  /** Redis is away: the node begins without it. */
  isAway?: boolean
}

export async function startNode(
  t: TestContext,
  { url, sentinels = [] }: Pick<TestRedis, 'url'> & { sentinels?: readonly string[] },
  { isAway = false, ...options }: NodeOptions = {},
): Promise<Node> {
  const [got, lines, failures] = [[] as string[], [] as string[], [] as unknown[]]
  const broker = createRedisBroker({
    server: { url, sentinels, tls: { rejectUnauthorized: true } },
    ...{ prefix: 'hotcable', history_limit: 100, history_ttl: 300, ...options },
    later(ms, then) {
      const timer = setTimeout(then, ms).unref()
      return () => clearTimeout(timer)
    },
    failed: error => failures.push(error),
    log: { info: (line: string) => lines.push(line), warn: (line: string) => lines.push(line) } as never,
  })
  const feed: Feed = {
    entry: ({ stream, offset, message }) => got.push(`${stream} ${offset} ${message}`),
    live: (stream, { message, fromClient }) => got.push(`${stream} ${fromClient ? 'client' : 'live'} ${message}`),
    signal: signal => got.push(`signal ${JSON.stringify(signal)}`),
    gap: streams => got.push(`gap ${streams}`),
  }
  t.after(() => {
    broker.stop()
    assert.deepEqual(failures, [])
  })
  await broker.start(feed)
  // (A busy machine may take longer than a cable waits for Redis.)
  while (!broker.well && !isAway) await pause(5)
  got.splice(0) // (its first epoch is a gap for pages of an earlier life)
  return {
    ...{ broker, got, lines },
    async until(line) {
      while (!got.includes(line)) await pause(2)
    },
  }
}

export const publication = (stream: string, message: string, more: Partial<Publication> = {}): Publication => ({
  ...{ stream, message, transient: false },
  ...more,
})

/** `1 "text"` for each message, or `gap`. */
export const texts = (found: readonly Entry[] | 'gap') =>
  found === 'gap' ? found : found.map(({ offset, message }) => `${offset} ${message}`)

/** Waits until a node is connected. */
export async function well({ broker }: Node): Promise<void> {
  while (!broker.well) await pause(5)
}

/** Waits until a node has noticed that Redis is away. */
export async function away({ broker }: Node): Promise<void> {
  while (broker.well) await pause(1)
}

/** What a broker without Redis does. */
export const unavailable = (answer: unknown): Promise<void> =>
  assert.rejects(Promise.resolve(answer), BrokerUnavailable)
