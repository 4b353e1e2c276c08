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
import { createLease } from './redis-lease.ts'
import type { LinkParts, Use } from './redis-link.ts'
import type { Take } from './redis-messages.ts'
import { BATCH, blockMsOf, createEntries, type StreamEntry, type StreamSettings } from './redis-stream-entries.ts'

export interface StreamParts extends Pick<LinkParts, 'pause' | 'log'> {
  /** A random name of this cable. */
  holder: string
  take: Take
  /** Whether broadcasts that another cable reads reach our clients, too. */
  isShared: boolean
  /** Makes all pages refresh; resolves once the broker has taken that. */
  missed: () => Promise<void>
  /** Another cable reads, and broadcasts reach its clients, not ours. */
  lost: () => void
  monotonic: () => number
}

/** A cable that hangs this long between two reads, or whose connection does, loses the lease. */
const LEASE_MS = 5_000
const RETRY_MS = 1_000
/** How often we look for entries that a consumer of another program read, and did not finish. */
const RECLAIM_MS = 5_000

export function createStreamReader(settings: StreamSettings, parts: StreamParts): Use {
  const { holder, take, isShared, missed, lost, pause, monotonic, log } = parts
  const { redisx_stream: stream, redisx_group: group, redis_prefix: prefix } = settings
  const key = `${prefix}reader:${stream}:${group}`
  /** The Redis that we read last; `undefined` before the first. */
  let lastRun: string | undefined

  return async (connection, { become, stop }) => {
    const entries = createEntries(settings, connection)
    const lease = createLease(connection.client, { key, holder, ms: LEASE_MS + blockMsOf(settings), monotonic })
    let reclaimedAt = Number.NEGATIVE_INFINITY
    const goesOn = async () => !stop.isAsked && (await lease.holds())

    /** Whether our clients may miss broadcasts: this is another Redis, or it lost its data, or another cable may have read some. */
    async function isAnother(): Promise<boolean> {
      const run = await entries.runId()
      const isFirst = lastRun === undefined
      // A group that we create at first begins with what comes now, as AnyCable's does.
      const isCreated = await entries.createGroup(isFirst ? '$' : '0')
      const isOther = !isFirst && (isCreated || run !== lastRun || !(isShared || lease.wasOurs))
      lastRun = run
      return isOther
    }

    async function reclaim(): Promise<void> {
      await entries.claim(RECLAIM_MS)
      while (await goesOn()) {
        const unfinished = await entries.unfinished()
        if (unfinished.length === 0) break
        await handle(unfinished)
      }
      reclaimedAt = monotonic()
    }

    async function reclaimInTime(): Promise<void> {
      if (monotonic() - reclaimedAt > RECLAIM_MS) await reclaim()
    }

    /** Publishes what came before the clients do: their pages show it already. */
    async function catchUp(): Promise<void> {
      while (await goesOn()) {
        await reclaimInTime()
        const batch = await entries.waiting()
        await handle(batch)
        if (batch.length < BATCH) break
      }
    }

    async function handle(batch: readonly StreamEntry[]): Promise<void> {
      const done: string[] = []
      for (const { id, isDeleted, payload } of batch) {
        if (!(await goesOn())) break
        const refusal = isDeleted ? undefined : await take(payload, `${stream}:${id}`)
        if (refusal === undefined) done.push(id)
        else if (refusal.code !== 'broker_unavailable') await park(id, refusal)
        else {
          // We find the rest again, among the unfinished ones.
          await Promise.race([pause(RETRY_MS), stop.asked])
          reclaimedAt = Number.NEGATIVE_INFINITY
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
      if (!(await lease.holds())) {
        become('waiting')
        if (!isShared) lost()
        await Promise.race([pause(RETRY_MS), stop.asked])
        continue
      }
      if (await isAnother()) await missed()
      await catchUp()
      become('well')
      while (await goesOn()) {
        await reclaimInTime()
        const next = await Promise.race([entries.next(), stop.asked])
        if (next) await handle(next)
      }
    }
    await lease.release()
  }
}
