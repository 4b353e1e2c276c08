/**
 * A broker for tests that is as slow as one on another machine, but loses nothing: the memory broker behind
 * random delays. Its feed lags behind its history, in order, and has only the streams to which the node listens. While it
 * is away it takes nothing, and it may begin a new epoch.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import { type Broker, BrokerUnavailable, type Feed } from '../broker.ts'
import type { SyncBroker } from '../brokers/memory.ts'

export interface DelayingBroker extends Broker {
  isAway: boolean
  /** Begins a new epoch: another broker takes the place of the one in memory. */
  restart: (fresh: SyncBroker) => void
  /** Resolves once nothing is under way. */
  settled: () => Promise<void>
}

export interface Delays {
  /** The same seed makes the same delays. */
  seed: number
  /** The longest delay. */
  maxMs: number
}

export function createDelayingBroker(first: SyncBroker, { seed, maxMs }: Delays): DelayingBroker {
  const random = new Random(seed)
  let memory = first
  let feed: Feed
  /** What reached this node. */
  let { seen, epoch } = memory
  /** The streams to which this node listens. */
  const streams = new Set<string>()
  /** Orders to listen and unlisten: none overtakes another. */
  let ordered: Promise<unknown> = Promise.resolve()
  /** Messages under way to this node: their delays overlap, but none overtakes another. */
  let feeding = Promise.resolve()
  let underWay = 0
  const delay = () => pause(random.next() * maxMs)
  const arrive = (deliver: () => void): void => {
    underWay++
    const arrived = delay()
    feeding = feeding.then(async () => {
      await arrived
      underWay--
      deliver()
    })
  }
  /** Answers after two delays, so that the feed can overtake the answer. */
  const later = async <T>(answer: () => T, arrived: Promise<unknown> = delay()): Promise<T> => {
    underWay++
    const expected = epoch
    const check = (isAway: boolean) => {
      if (isAway) throw new BrokerUnavailable('the broker is away, or in another epoch')
    }
    try {
      await arrived
      check(broker.isAway || memory.epoch !== expected)
      const answered = answer()
      await delay()
      check(epoch !== expected)
      return answered
    } finally {
      underWay--
    }
  }
  const inOrder = <T>(answer: () => T): Promise<T> => {
    ordered = Promise.all([ordered, delay()])
    return later(answer, ordered)
  }
  const feedFrom = (source: SyncBroker) =>
    source.start({
      entry(entry) {
        // The offset of another stream reaches the node by a tick, or not at all.
        const isHeard = streams.has(entry.stream)
        if (!isHeard && random.next() < 0.5) return
        arrive(() => {
          seen = entry.offset
          if (isHeard) feed.entry(entry)
        })
      },
      live(stream, live) {
        if (streams.has(stream)) arrive(() => feed.live(stream, live))
      },
      signal: signal => feed.signal(signal),
      gap(streams) {
        // (It has an offset: else a subscription that starts now would start before the gap.)
        const offset = source.seen
        arrive(() => {
          seen = offset
          feed.gap(streams)
        })
      },
    })
  const broker: DelayingBroker = {
    isAway: false,
    restart(fresh) {
      memory = fresh
      const start = fresh.seen
      arrive(() => {
        seen = start
        epoch = fresh.epoch
        feed.gap('all')
      })
      feedFrom(fresh)
    },
    async settled() {
      while (underWay > 0) await pause(5)
    },
    get epoch() {
      return epoch
    },
    get seen() {
      return seen
    },
    get well() {
      return !broker.isAway
    },
    position: () => later(() => memory.position()),
    publish: publications => later(() => memory.publish(publications)),
    after: (stream, from) => later(() => memory.after(stream, from)),
    since: (stream, seconds) => later(() => memory.since(stream, seconds)),
    listen: stream =>
      inOrder(() => {
        streams.add(stream)
        return memory.seen
      }),
    unlisten: stream => {
      inOrder(() => streams.delete(stream)).catch(() => {}) // (while it is away, the node gets more than it needs)
    },
    // (The feed delays it, in order.)
    tell(stream, live) {
      if (broker.isAway) throw new Error('a broker that is not well must be told nothing')
      memory.tell(stream, live)
    },
    signal: signal => later(() => memory.signal(signal)),
    forget: lost => later(() => memory.forget(lost)),
    start(to) {
      feed = to
      feedFrom(memory)
    },
  }
  return broker
}
