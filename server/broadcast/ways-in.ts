/** The ways in for broadcasts beside HTTP that --broadcast_adapter names. */
import { type OutboxSettings, outboxOf } from './outbox.ts'
import { type RedisSettings, redisWaysIn } from './redis.ts'
import type { WayIn, WayInParts } from './way-in.ts'

export interface WaysInSettings extends RedisSettings {
  /** By their names. */
  readonly settings: RedisSettings['settings'] & OutboxSettings
}

/** All ways in of the settings as one. */
export function createWaysIn(config: WaysInSettings, parts: WayInParts): WayIn {
  const outbox = outboxOf(config.settings, parts)
  const ways: readonly WayIn[] = [...(outbox ? [outbox] : []), ...redisWaysIn(config, parts)]
  return {
    get closed() {
      return ways.map(({ closed }) => closed).find(code => code !== undefined)
    },
    get conditions() {
      return ways.flatMap(({ conditions }) => conditions)
    },
    async start() {
      await Promise.all(ways.map(way => way.start()))
    },
    async stop() {
      await Promise.all(ways.map(way => way.stop()))
    },
  }
}
