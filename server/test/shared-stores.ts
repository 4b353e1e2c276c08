/** The stores in Redis of a cable in tests, and a wait until nothing is under way between both. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { repeat } from '../base/clocks.ts'
import { BrokerUnavailable, type Feed } from '../broker.ts'
import type { RedisBroker } from '../brokers/redis.ts'
import { createRedisStores, type RedisStoresSettings } from '../brokers/redis-stores.ts'
import type { Log } from '../log.ts'
import type { Wraps } from '../session/stores.ts'

/** No signal takes this long. */
const LOST_MS = 5_000

export function sharedStores(config: RedisStoresSettings, log: Log): { wraps: Wraps; settled: () => Promise<void> } {
  const shared = createRedisStores(config, {
    later(ms, then) {
      const timer = setTimeout(then, ms).unref()
      return () => clearTimeout(timer)
    },
    every: repeat,
    failed: error => log.error({ code: 'internal' }, String(error)),
    log,
  })!
  let underWay = 0
  /** Signals that mean nothing, and come back by the feed. */
  const probes = new Map<string, () => void>()
  let broker: RedisBroker
  const counting = (): RedisBroker =>
    new Proxy(broker, {
      get(_, name: keyof RedisBroker) {
        const value = broker[name]
        if (typeof value !== 'function') return value
        if (name === 'start') return (to: Feed) => broker.start({ ...to, signal: watched(to) })
        return (...args: never[]) => {
          const answer = (value as (...args: never[]) => unknown)(...args)
          if (!(answer instanceof Promise)) return answer
          underWay++
          return answer.finally(() => underWay--)
        }
      },
    })
  const watched =
    ({ signal }: Feed): Feed['signal'] =>
    order => {
      if ('sid' in order) probes.get(order.sid)?.()
      return signal(order)
    }
  /** Then Redis has taken what we asked before, and our feed has what Redis sent before. Returns false if the way broke. */
  async function probe(): Promise<boolean> {
    const sid = randomUUID()
    const came = new Promise<boolean>(resolve => probes.set(sid, () => resolve(true)))
    try {
      await broker.signal({ sid, reconnect: true })
      return await Promise.race([came, pause(LOST_MS, false)])
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error
      return await pause(50, false)
    } finally {
      probes.delete(sid)
    }
  }
  return {
    wraps: {
      ...shared,
      wrapBroker() {
        broker = shared.wrapBroker()
        return counting()
      },
    },
    async settled() {
      let isThrough: boolean
      do {
        while (underWay > 0) await pause(5)
        isThrough = await probe()
      } while (!isThrough || underWay > 0)
    },
  }
}
