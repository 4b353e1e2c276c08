/** The ways in for broadcasts beside HTTP that --broadcast_adapter names. */
import { type OutboxSettings, outboxOf } from './outbox.ts'
import { type RedisSettings, redisWaysIn } from './redis.ts'
import type { WayIn, WayInParts } from './way-in.ts'

export interface WaysInSettings extends RedisSettings {
  /** By their names. */
  readonly settings: RedisSettings['settings'] & OutboxSettings & { readonly broker: string }
}

/** All ways in of the settings as one. */
export const createWaysIn = (config: WaysInSettings, parts: WayInParts): WayIn =>
  config.settings.broker === 'redis'
    ? forAll(createEach(config, { ...parts, lost() {}, missed() {} }))
    : createEach(config, parts)

/** With a shared broker all clients get what any cable publishes, so it does not matter which one reads. */
const forAll = (way: WayIn): WayIn => ({
  ...{ start: way.start, stop: way.stop, closed: undefined },
  get conditions() {
    return way.conditions.map(({ says }) => ({ says, isReady: true }))
  },
})

function createEach(config: WaysInSettings, parts: WayInParts): WayIn {
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
  const outbox = outboxOf(settings, parts)
  if (outbox === undefined) return []
  return [
    {
      get closed() {
        return outbox.isElsewhere ? 'outbox_elsewhere' : undefined
      },
      get conditions() {
        return outbox.conditions
      },
      start: outbox.start,
      stop: outbox.stop,
    },
  ]
}
