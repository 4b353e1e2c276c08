/** What the cable keeps with --broker=redis. */
import type { Every } from '../base/clocks.ts'
import { guarded, type ReportFailure } from '../base/failure.ts'
import type { Log } from '../log.ts'
import type { Presence } from '../presence/presence.ts'
import { createRedisBroker, type RedisBroker } from './redis.ts'
import type { RedisServer } from './redis-client.ts'
import { createRedisPresence } from './redis-presence.ts'
import { createRedisSessions, type RedisSessions, type Snapshot } from './redis-sessions.ts'

export interface RedisStoresSettings {
  readonly redis: RedisServer
  /** By their names. */
  readonly settings: {
    readonly broker: string
    readonly redis_prefix: string
    readonly history_limit: number
    readonly history_ttl: number
    readonly sessions_ttl: number
    readonly presence_ttl: number
    readonly max_presence_answer_size: number
  }
}

export interface RedisStoresParts {
  later: (ms: number, then: () => void) => () => void
  every: Every
  failed: ReportFailure
  log: Log
}

export interface RedisStores {
  wrapBroker: () => RedisBroker
  wrapPresence: () => Presence
  /** `undefined`: no session can be resumed. */
  wrapResumables: (<S extends Snapshot>() => RedisSessions<S>) | undefined
}

/** Returns `undefined` unless the settings say that nodes share a broker. */
export function createRedisStores(
  { redis: server, settings }: RedisStoresSettings,
  parts: RedisStoresParts,
): RedisStores | undefined {
  if (settings.broker !== 'redis') return undefined
  const { history_limit, history_ttl, redis_prefix } = settings
  const broker = createRedisBroker({ server, prefix: `${redis_prefix}broker`, history_limit, history_ttl, ...parts })
  const { every, failed } = parts
  const shared = {
    broker,
    every: (ms: number, then: () => void) => void broker.stopped.then(every(ms, guarded(then, failed))),
    failed,
  }
  return {
    wrapBroker: () => broker,
    wrapPresence: () =>
      createRedisPresence({
        ...shared,
        ttlSeconds: settings.presence_ttl,
        maxAnswerBytes: settings.max_presence_answer_size,
      }),
    wrapResumables:
      settings.sessions_ttl === 0
        ? undefined
        : () => createRedisSessions({ ...shared, ttlSeconds: settings.sessions_ttl }),
  }
}
