/** The stores in Redis of a cable in tests, and a wait until nothing that it asked them is under way. */
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisBroker } from '../brokers/redis.ts'
import { createRedisStores, type RedisStoresSettings } from '../brokers/redis-stores.ts'
import type { Log } from '../log.ts'
import type { Wraps } from '../session/stores.ts'

export function sharedStores(config: RedisStoresSettings, log: Log): { wraps: Wraps; settled: () => Promise<void> } {
  const shared = createRedisStores(config, {
    later(ms, then) {
      const timer = setTimeout(then, ms).unref()
      return () => clearTimeout(timer)
    },
    failed: error => log.error({ code: 'internal' }, String(error)),
    log,
  })!
  let underWay = 0
  const counting = (broker: RedisBroker): RedisBroker =>
    new Proxy(broker, {
      get(_, name: keyof RedisBroker) {
        const value = broker[name]
        if (typeof value !== 'function') return value
        return (...args: never[]) => {
          const answer = (value as (...args: never[]) => unknown)(...args)
          if (!(answer instanceof Promise)) return answer
          underWay++
          return answer.finally(() => underWay--)
        }
      },
    })
  return {
    wraps: { ...shared, wrapBroker: () => counting(shared.wrapBroker()) },
    async settled() {
      while (underWay > 0) await pause(5)
    },
  }
}
