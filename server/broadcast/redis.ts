/**
 * The ways in by Redis: Pub/Sub (redis) and a stream (redisx). Each has its own connection.
 */
import { randomLetters } from '../base/random.ts'
import { BrokerUnavailable } from '../broker.ts'
import { connectRedis, type RedisServer } from '../brokers/redis-client.ts'
import { createRedisLink, type LinkParts, type LinkState } from './redis-link.ts'
import { createTake } from './redis-messages.ts'
import { createPubSub } from './redis-pubsub.ts'
import { createStreamReader } from './redis-stream.ts'
import type { StreamSettings } from './redis-stream-entries.ts'
import type { WayIn, WayInParts } from './way-in.ts'

export interface RedisSettings {
  readonly redis: RedisServer
  /** By their names. */
  readonly settings: StreamSettings & {
    readonly broadcast_adapter: readonly string[]
    readonly redis_channel: string
    readonly max_broadcast_size: number
  }
}

const RETRY_MS = 1_000

export function redisWaysIn({ redis, settings }: RedisSettings, parts: WayInParts): WayIn[] {
  const { isShared, pause, lost, monotonic, log } = parts
  const { broadcast_adapter: names, redis_channel: channel, redisx_stream: stream, redis_prefix: prefix } = settings
  const take = createTake({ ...parts, maxSize: settings.max_broadcast_size })
  const missed = async () => {
    for (;;) {
      try {
        return await parts.missed()
      } catch (error) {
        if (!(error instanceof BrokerUnavailable)) throw error
        await pause(RETRY_MS)
      }
    }
  }
  /** `isAlone`: clients of a cable that does not read get no broadcasts. */
  const way = (title: string, use: LinkParts['use'], isAlone = false): WayIn => {
    const link = createRedisLink({ title, connect: () => connectRedis(redis, 'hotcable'), use, pause, log })
    return {
      get closed() {
        return isAlone && ELSEWHERE.includes(link.state) ? 'redisx_elsewhere' : undefined
      },
      get conditions() {
        const { state, says } = link
        return state === 'well' || (state === 'waiting' && !isAlone) ? [] : [{ says, isReady: isShared }]
      },
      start: link.start,
      stop: link.stop,
    }
  }
  const shared = { holder: randomLetters(12), take, isShared, missed, pause, monotonic }
  return [
    ...(names.includes('redis') ? [way(`Redis channel ${channel}`, createPubSub({ channel, prefix, ...shared }))] : []),
    ...(names.includes('redisx')
      ? [way(`Redis stream ${stream}`, createStreamReader(settings, { lost, log, ...shared }), !isShared)]
      : []),
  ]
}

/** Until we know which cable reads, it may be another one. */
const ELSEWHERE: readonly LinkState[] = ['starting', 'waiting']
