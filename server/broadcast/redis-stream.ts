/**
 * Broadcasts by a Redis stream (--broadcast_adapter=redisx): each comes at least once, in the order of the stream.
 *
 *   XREADGROUP ─▶ publish each ─▶ XACK, XDEL        refused for good: moved to <prefix>refused:<stream>
 *
 * One cable reads at a time, the holder of a lease in Redis, because two would publish in another order. All cables are the
 * same consumer of the group, so the next holder begins with the entries that the last one did not finish. An entry that is
 * published twice reaches pages once: its name is the id of its publication.
 */
import type { RequestRefused } from '../errors.ts'
import type { LinkParts, Use } from './redis-link.ts'
import type { Take } from './redis-messages.ts'
import { BATCH, createEntries, type StreamEntry, type StreamSettings } from './redis-stream-entries.ts'

export interface StreamParts extends Pick<LinkParts, 'pause' | 'log'> {
  /** A random name of this cable. */
  holder: string
  take: Take
  /** Makes all pages refresh; resolves once the broker has taken that. */
  missed: () => Promise<void>
  /** Another cable has begun to read, so broadcasts reach its clients, and not ours. */
  lost: () => void
  monotonic: () => number
}

/** A cable that hangs this long, or whose connection does, loses the lease. */
const LEASE_MS = 5_000
const RENEW_MS = 1_000
const RETRY_MS = 1_000
/** How often we look for entries that a consumer of another program read, and did not finish. */
const RECLAIM_MS = 5_000

export function createStreamReader(settings: StreamSettings, parts: StreamParts): Use {
  const { holder, take, missed, lost, pause, monotonic, log } = parts
  /** The Redis that we read last; `undefined` before the first. */
  let lastRun: string | undefined

  return async (connection, { become, stop }) => {
    const entries = createEntries(settings, connection)
    const never = Number.NEGATIVE_INFINITY
    let [leasedAt, reclaimedAt] = [never, never]
    let isOurs = false

    /** Renews the lease in time. Returns whether we have it. */
    async function holds(): Promise<boolean> {
      const now = monotonic()
      if (now - leasedAt < RENEW_MS) return true
      const had = await entries.lease(holder, LEASE_MS)
      isOurs = had === 'ours'
      leasedAt = had === 'other' ? never : now
      return had !== 'other'
    }

    /** Whether broadcasts may be gone: this is another Redis, or it has lost its data, or another cable may have read some. */
    async function isAnother(): Promise<boolean> {
      const run = await entries.runId()
      const isFirst = lastRun === undefined
      // A group that we create at first begins with what comes now, as AnyCable's does.
      const isCreated = await entries.createGroup(isFirst ? '$' : '0')
      const isOther = !isFirst && (isCreated || !isOurs || run !== lastRun)
      lastRun = run
      return isOther
    }

    async function reclaim(): Promise<void> {
      await entries.claim(RECLAIM_MS)
      while (!stop.isAsked && (await holds())) {
        const unfinished = await entries.unfinished()
        if (unfinished.length === 0) break
        await handle(unfinished)
      }
      reclaimedAt = monotonic()
    }

    /** Publishes what came before the clients do: their pages show it already. */
    async function catchUp(): Promise<void> {
      while (!stop.isAsked && (await holds())) {
        const batch = await entries.waiting()
        await handle(batch)
        if (batch.length < BATCH) break
      }
    }

    async function handle(batch: readonly StreamEntry[]): Promise<void> {
      const done: string[] = []
      for (const { id, isDeleted, payload } of batch) {
        if (stop.isAsked || !(await holds())) break
        const refusal = isDeleted ? undefined : await take(payload, `${settings.redisx_stream}:${id}`)
        if (refusal === undefined) done.push(id)
        else if (refusal.code !== 'broker_unavailable') await park(id, refusal)
        else {
          // We find the rest again, among the unfinished ones.
          await Promise.race([pause(RETRY_MS), stop.asked])
          reclaimedAt = never
          break
        }
      }
      if (done.length > 0) await entries.finish(done)
    }

    async function park(id: string, refusal: RequestRefused): Promise<void> {
      if (await entries.park(id, refusal)) return
      log.error({ entry: id }, 'a refused broadcast was deleted instead of set aside: the memory of Redis is full')
    }

    while (!stop.isAsked) {
      if (!(await holds())) {
        become('waiting')
        if (lastRun !== undefined) lost()
        await Promise.race([pause(RETRY_MS), stop.asked])
        continue
      }
      if (await isAnother()) await missed()
      await reclaim()
      await catchUp()
      become('well')
      while (!stop.isAsked && (await holds())) {
        if (monotonic() - reclaimedAt > RECLAIM_MS) await reclaim()
        const next = await Promise.race([entries.next(), stop.asked])
        if (next) await handle(next)
      }
    }
    await entries.release(holder)
  }
}
