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
  const ways: readonly WayIn[] = [...outboxes(config, parts), ...redisWaysIn(config, parts)]
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

function outboxes({ settings }: WaysInSettings, parts: WayInParts): WayIn[] {
  const { isShared } = parts
  // With a shared broker all clients get what any cable publishes, so it does not matter which one consumes.
  const outbox = outboxOf(settings, isShared ? { ...parts, lost() {}, missed() {} } : parts)
  if (outbox === undefined) return []
  return [
    {
      get closed() {
        return outbox.isElsewhere && !isShared ? 'outbox_elsewhere' : undefined
      },
      get conditions() {
        return outbox.conditions.map(({ says, isReady }) => ({ says, isReady: isReady || isShared }))
      },
      start: outbox.start,
      stop: outbox.stop,
    },
  ]
}
