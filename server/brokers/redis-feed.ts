/**
 * The feed of the Redis broker: passes the messages of Pub/Sub to the node in their order, each once.
 *
 *   connected ─▶ hold what arrives ─▶ read what we missed, up to the counter ─▶ deliver both ─▶ deliver what arrives
 *
 * Redis sends a connection everything in the order of publication, so an offset at or below the last one is a repetition:
 * we read it when we caught up.
 */
import type { Entry, Feed } from '../broker.ts'
import { type Arrival, arrivalOf, entryOf } from './redis-messages.ts'

/** What a node missed while it was not connected. */
export interface Missed {
  /** The counter before the streams were read: up to here we have all of their messages. */
  readonly offset: number
  readonly entries: readonly Entry[]
  /** Streams of which messages are gone. */
  readonly gaps: readonly string[]
}

export class RedisFeed {
  /** Of the last connection; at first one that no page has. */
  epoch: string
  seen = 0
  /** `undefined`: we deliver at once. */
  #held: [text: string, stream: string | undefined][] | undefined = []
  #to: Feed | undefined
  readonly #tick: (node: string, nodes: number) => void

  /** `tick` is called with the node whose tick came, and with how many nodes there are. */
  constructor(epoch: string, tick: (node: string, nodes: number) => void) {
    this.epoch = epoch
    this.#tick = tick
  }

  start(to: Feed): void {
    this.#to = to
  }

  /** Holds what arrives, until {@link caughtUp} or {@link renew}. Forgets what an earlier connection held. */
  hold(): void {
    this.#held = []
  }

  /** A message arrived; `undefined`: on the channel of all nodes. */
  arrived(text: string, stream: string | undefined): void {
    if (this.#held === undefined) this.#deliver(arrivalOf(text), stream)
    else this.#held.push([text, stream])
  }

  /** The epoch goes on. */
  caughtUp({ offset, entries, gaps }: Missed): void {
    const missed = entries.filter(entry => entry.offset <= offset).sort((a, b) => a.offset - b.offset)
    for (const entry of missed) {
      this.seen = entry.offset
      this.#to?.entry(entry)
    }
    this.seen = Math.max(this.seen, offset)
    if (gaps.length > 0) this.#to?.gap(gaps)
    this.#release()
  }

  /** Another epoch has begun. */
  renew(epoch: string, offset: number): void {
    this.epoch = epoch
    this.seen = offset
    this.#to?.gap('all')
    this.#release()
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const [text, stream] of held) this.#deliver(arrivalOf(text), stream)
  }

  #deliver(arrival: Arrival, stream = ''): void {
    if ('offset' in arrival) {
      // (A tick repeats the last offset.)
      if (arrival.offset <= this.seen && arrival.kind !== 'tick') return
      this.seen = Math.max(this.seen, arrival.offset)
    }
    switch (arrival.kind) {
      case 'entry':
        return this.#to?.entry(entryOf(stream, arrival.offset, arrival.stored))
      case 'live':
        return this.#to?.live(stream, arrival.live)
      case 'tick':
        return this.#tick(arrival.node, arrival.nodes)
      case 'gap':
        return this.#to?.gap(arrival.streams)
      case 'signal':
        return void this.#to?.signal(arrival.signal)
    }
  }
}
