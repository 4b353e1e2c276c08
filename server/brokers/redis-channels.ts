/**
 * The channels of one connection: Redis sends it the streams to which this node listens.
 *
 *   changed streams ─▶ a batch ─▶ subscribe what is wanted, unsubscribe what is not ─▶ the next batch
 *
 * Batches run one after the other, so none overtakes another, and ten thousand streams after a reconnect are few round trips.
 */
import type { Subscriber } from './redis-life.ts'

export interface ChannelsParts {
  client: Subscriber
  /** The streams to which this node listens. */
  wanted: ReadonlySet<string>
  channelOf: (stream: string) => string
  /** Gets each message, with its channel. Must not throw. */
  heard: (text: string, channel: string) => void
}

/** Resolves once Redis sends these streams if they are wanted, or no longer does if they are not. Rejects BrokerUnavailable. */
export type Settle = (streams: Iterable<string>) => Promise<void>

/** Channels of one command. */
const MOST = 1_000

export function createChannels({ client, wanted, channelOf, heard }: ChannelsParts): Settle {
  const subscribed = new Set<string>()
  /** The batch that has not begun. */
  let next: { streams: Set<string>; done: Promise<void> } | undefined
  let last = Promise.resolve()

  async function run(changed: readonly string[]): Promise<void> {
    for (let at = 0; at < changed.length; at += MOST) {
      const streams = changed.slice(at, at + MOST)
      const more = streams.filter(stream => wanted.has(stream) && !subscribed.has(stream))
      const less = streams.filter(stream => !wanted.has(stream) && subscribed.has(stream))
      if (more.length > 0) await client.subscribe(more.map(channelOf), heard)
      if (less.length > 0) await client.unsubscribe(less.map(channelOf))
      for (const stream of more) subscribed.add(stream)
      for (const stream of less) subscribed.delete(stream)
    }
  }

  function begin(): { streams: Set<string>; done: Promise<void> } {
    const streams = new Set<string>()
    const done = last.then(() => {
      next = undefined
      return run([...streams])
    })
    last = done.catch(() => {})
    return { streams, done }
  }

  return streams => {
    next ??= begin()
    for (const stream of streams) next.streams.add(stream)
    return next.done
  }
}
