/**
 * Broadcasts by Redis Pub/Sub (--broadcast_adapter=redis), the default of AnyCable's gem for Rails.
 *
 * Redis keeps nothing for a cable that is away, so each message comes at most once. But we know when we were away: pages
 * then refresh, and so show what they missed.
 */
import type { Use } from './redis-link.ts'
import type { Take } from './redis-messages.ts'

export interface PubSubParts {
  channel: string
  take: Take
  /** Makes all pages refresh; resolves once the broker has taken that. */
  missed: () => Promise<void>
}

/** Bytes that may wait for the broker. Then we end the connection, as Redis would, and the pages refresh. */
const MOST_WAITING = 16 << 20

export function createPubSub({ channel, take, missed }: PubSubParts): Use {
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
    await client.subscribe(channel, receive, true)
    if (wasAway) await missed()
    become('well')
    const reason = await Promise.race([ended, stop.asked])
    if (reason) throw reason
  }
}
