/**
 * The primary: everything that the workers share. It is a cable without connections, and looks like one from outside.
 *
 *   clients, backends ──▶ workers ◀──pipe──▶ primary ◀── outbox, Redis
 *
 * Its life is the epoch. A worker has connections and sessions, and nothing that another one would miss. With --broker=redis
 * each worker asks Redis instead, as any cable on another machine, and the primary has nothing but the workers.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { repeat } from '../base/clocks.ts'
import { createFailureReporter, guarded } from '../base/failure.ts'
import { createBackend } from '../broadcast/backend.ts'
import { createDisconnect } from '../broadcast/disconnect.ts'
import { createWaysIn } from '../broadcast/ways-in.ts'
import { unawaited } from '../broker.ts'
import type { Cable } from '../cable.ts'
import type { Config } from '../config/config.ts'
import { createRefreshPace } from '../heal/pace.ts'
import { logMetrics } from '../http/show-metrics.ts'
import { type Counted, gaugesOf, statsOf } from '../http/stats.ts'
import type { Log } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import { createStores } from '../session/stores.ts'
import { countOf, isNode } from './count.ts'
import { createFleet, type Fleet } from './fleet.ts'
import { createFleetNumbers } from './fleet-numbers.ts'
import type { Urls } from './offers.ts'
import { createSeats } from './seat.ts'

const TICK_MS = 1_000
/** How much longer than its shutdown a worker may take. */
const GRACE_MS = 5_000

export function createPrimary(config: Config, { log }: { log: Log }): Cable {
  const { settings } = config
  const monotonic = () => performance.now()
  const failed = createFailureReporter(log, code => metrics.refused(code))
  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(guarded(then, failed), ms).unref()
    return () => clearTimeout(timer)
  }
  const dropped = () => {
    metrics.live_msg_dropped_total++
  }
  const stores = createStores(settings, { wall: Date.now, monotonic, dropped, failed })
  const { broker } = stores
  const memory = isNode(config) ? undefined : stores.memory
  const counted = (): Counted => ({ ...NO_CLIENTS, broker, memory })
  const metrics = createMetrics(
    {
      ...gaugesOf(counted, { rpc: config.rpc !== undefined, memory: memory !== undefined }),
      workers_num: ['Workers that run.', () => fleet.workers.size],
      workers_replaced_total: ['Workers that ended unexpectedly.', () => fleet.replaced],
    },
    settings.metrics_tags,
  )
  const seats = createSeats({ stores, pace: createRefreshPace(settings, { later, monotonic }), later })
  const disconnect = createDisconnect({ signal: seats.signal, forget: seats.forgetSessions })
  const backend = createBackend({ publish: broker.publish, disconnect, metrics })
  const waysIn = isNode(config)
    ? undefined
    : createWaysIn(config, {
        publish: backend.publish,
        isShared: false,
        // (The state is another only after this call.)
        lost: () => void setImmediate(() => fleet.tick()),
        missed: () => broker.forget('all'),
        ...{ pause, monotonic, metrics, failed, log },
      })
  if (waysIn !== undefined) seats.waysIn = waysIn
  const numbers = createFleetNumbers({
    workers: () => fleet.workers,
    own: { stats: () => statsOf(counted()), metrics },
    isNode: isNode(config),
    ...{ later, failed },
  })
  const fleet: Fleet = createFleet({
    count: countOf(settings.workers),
    seat: seats.add,
    state: () => seats.state,
    // (In Redis the history is that of all nodes, and another one may have served.)
    returned: () => {
      if (memory !== undefined) unawaited(broker.forget('all'), failed)
    },
    ...{ numbers, left: numbers.left, failed, log },
  })
  const upkeep = setInterval(
    guarded(() => {
      stores.expire()
      fleet.tick()
    }, failed),
    TICK_MS,
  ).unref()
  let stopLog = () => {}
  let urls: Urls

  const end = async (timeoutMs: number) => {
    stopLog()
    await waysIn?.stop()
    await fleet.stop(timeoutMs)
    clearInterval(upkeep)
    metrics.stop()
  }
  return {
    async listen() {
      try {
        await waysIn?.start()
        urls = await fleet.start()
      } catch (error) {
        await end(0)
        throw error
      }
      if (settings.metrics_log) stopLog = logMetrics(config, { values: numbers.values, every: repeat, log })
    },
    close: () => end((settings.shutdown_delay + settings.shutdown_timeout) * 1000 + GRACE_MS),
    get url() {
      return urls
    },
  }
}

/** The primary has none. */
const NO_CLIENTS = {
  sessions: { count: 0, identities: 0, pending: 0 },
  arrivals: { count: 0 },
  hub: { size: 0 },
  webSockets: { count: 0 },
  pace: undefined,
  authority: undefined,
}
