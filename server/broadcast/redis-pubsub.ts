/**
 * Broadcasts by Redis Pub/Sub (--broadcast_adapter=redis), the default of AnyCable's gem for Rails.
 *
 * Redis keeps nothing for a cable that is away, so each message comes at most once. But we know when we were away: pages
 * then refresh, and so show what they missed.
 *
 * Redis sends a message to each subscriber. If cables share a broker, only one of them may publish it there: the holder of a
 * lease.
 */
import { createLease } from './redis-lease.ts'
import type { LinkParts, Use } from './redis-link.ts'
import type { Take } from './redis-messages.ts'

export interface PubSubParts extends Pick<LinkParts, 'pause'> {
  channel: string
  /** The beginning of the lease's key. */
  prefix: string
  /** A random name of this cable. */
  holder: string
  take: Take
  /** Whether what one cable publishes reaches the clients of all. */
  isShared: boolean
  /** Makes all pages refresh; resolves once the broker has taken that. */
  missed: () => Promise<void>
  monotonic: () => number
}

/** Bytes that may wait for the broker. Then we end the connection, as Redis would, and the pages refresh. */
const MOST_WAITING = 16 << 20
/** A cable that hangs this long loses the lease. */
const LEASE_MS = 5_000
const LOOK_MS = 1_000

export function createPubSub({ channel, prefix, holder, take, isShared, missed, pause, monotonic }: PubSubParts): Use {
  const key = `${prefix}reader:${channel}`

  return async ({ client, end, ended }, { become, wasAway, stop }) => {
    let waiting = 0
    let last: Promise<unknown> | undefined
    const receive = (message: Buffer) => {
      if (last === undefined) return wait(message, take(message))
      wait(
        message,
        last.then(() => take(message)),
      )
    }
    /** Keeps the messages behind it in order, if the broker answers later. */
    const wait = (message: Buffer, taken: unknown) => {
      if (!(taken instanceof Promise)) return
      waiting += message.length
      if (waiting > MOST_WAITING) end('too many broadcasts wait for the broker')
      const done = taken.finally(() => {
        waiting -= message.length
        if (last === done) last = undefined
      })
      last = done
    }
    const lease = isShared ? createLease(client, { key, holder, ms: LEASE_MS, monotonic }) : undefined
    while (lease && !(await lease.holds())) {
      become('waiting')
      await Promise.race([pause(LOOK_MS), stop.asked])
      if (stop.isAsked) return
    }
    await client.subscribe(channel, receive, true)
    if (wasAway || lease?.wasOurs === false) await missed()
    become('well')
    while (!stop.isAsked) {
      const reason = await Promise.race([ended, stop.asked, ...(lease ? [pause(LOOK_MS)] : [])])
      if (reason instanceof Error) throw reason
      if (!stop.isAsked && lease && !(await lease.holds())) throw new Error('another cable reads now')
    }
    await lease?.release()
  }
}
