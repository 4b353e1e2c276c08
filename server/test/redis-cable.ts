/** For tests: cables that read broadcasts from a real Redis. */
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Client } from '../../testing/client.ts'
import type { TestRedis } from '../../testing/redis.ts'
import type { CableParts } from '../cable.ts'
import { METRICS, startCable, type TestCable, turbo } from './test-cable.ts'

export interface RedisCableOptions {
  flags?: string[]
  parts?: Omit<CableParts, 'log'>
}

/** The body of a broadcast to the stream `a`. */
export const message = (data: string): string => JSON.stringify({ stream: 'a', data: JSON.stringify(data) })

export const redisCable = (
  t: TestContext,
  adapter: 'redis' | 'redisx',
  url: string,
  { flags = [], parts }: RedisCableOptions = {},
): Promise<TestCable> =>
  startCable(t, [`--broadcast_adapter=http,${adapter}`, `--redis_url=${url}`, '--noauth', METRICS, ...flags], parts)

/** A cable that reads from Redis, and a client of it that listens to the stream `a`. */
export async function listening(
  t: TestContext,
  adapter: 'redis' | 'redisx',
  { url }: Pick<TestRedis, 'url'>,
  options?: RedisCableOptions,
): Promise<{ cable: TestCable; client: Client }> {
  const cable = await redisCable(t, adapter, url, options)
  await says(cable, /^200 ready$/)
  const client = await cable.welcomed()
  await client.confirmed(turbo('a'))
  return { cable, client }
}

/** Resolves once /ready says so: status and text. */
export async function says({ url }: TestCable, expected: RegExp): Promise<void> {
  for (;;) {
    const answer = await fetch(url.cable.replace('ws', 'http').replace('/cable', '/ready'))
    if (expected.test(`${answer.status} ${await answer.text()}`)) return
    await setImmediate()
  }
}

/** Broadcasts as a backend does that uses the adapter. */
export const send = {
  redis: (redis: TestRedis, body: string) => redis.cli('PUBLISH', '__anycable__', body),
  redisx: (redis: TestRedis, body: string) => redis.cli('XADD', '__anycable__', '*', 'payload', body),
}
