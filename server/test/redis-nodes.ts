/** For tests: cables that share a real Redis. */
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { EXTENDED } from '../../testing/client.ts'
import { startRedis, type TestRedis } from '../../testing/redis.ts'
import { says } from './redis-cable.ts'
import { METRICS, open, startCable, type TestCable, token } from './test-cable.ts'

export interface RedisNodes {
  readonly redis: TestRedis
  readonly nodes: readonly [TestCable, TestCable, TestCable]
}

export async function startRedisNodes(t: TestContext, flags: readonly string[] = []): Promise<RedisNodes> {
  const redis = await startRedis(t)
  const start = () => startRedisCable(t, redis, flags)
  return { redis, nodes: await Promise.all([start(), start(), start()]) }
}

/** Starts a cable, and waits until it has Redis: a busy machine may take longer than the cable waits. */
export async function startRedisCable(t: TestContext, { url }: Pick<TestRedis, 'url'>, flags: readonly string[] = []) {
  const cable = await startCable(t, ['--broker=redis', `--redis_url=${url}`, '--public_streams', METRICS, ...flags])
  await says(cable, /^200 ready$/)
  return cable
}

const ADA = '{"user":"ada"}'
export const jid = (ext = ADA): string => `?jid=${token({ ext })}`

export const connect = (cable: TestCable, query = jid()) => cable.welcomed({ query, protocols: EXTENDED })

/** Connects with the sid of another client. */
export const back = (cable: TestCable, { welcome }: { welcome: { sid?: string } }, query = jid()) =>
  connect(cable, `${query}&sid=${welcome.sid}`)

/** A client whose subscription any node could restore. */
export async function subscribed(redis: TestRedis, cable: TestCable, stream: string, query = jid()) {
  const client = await connect(cable, query)
  await client.confirmed(open(stream))
  await stored(redis, client.welcome.sid!, text => text.includes(JSON.stringify(open(stream)).slice(1, -1)))
  return client
}

/** Waits until `isRight` returns true for the stored state of a session, which is '' for a session that Redis does not have. */
export async function stored(redis: TestRedis, sid: string, isRight: (text: string) => boolean): Promise<void> {
  for (;;) {
    const epoch = await redis.cli('HGET', 'hotcable:broker:life', 'epoch')
    if (isRight(await redis.cli('HGET', `hotcable:broker:${epoch}:r:${sid}`, 's'))) return
    await pause(10)
  }
}
