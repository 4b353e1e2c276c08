/**
 * Listening: a broker elsewhere sends this node only the messages of streams to which the node listens.
 *
 *   first subscription ─▶ listen ─▶ messages ─▶ last subscription leaves ─▶ 5 s ─▶ unlisten
 *
 * A page that visits another leaves its streams and enters them again, so we wait before we stop. The broker in this
 * process sends all messages, so there is nothing to do and nothing to remember.
 */
import { type Broker, BrokerUnavailable } from '../broker.ts'

/** An offset, and its epoch. */
export type Now = Pick<Broker, 'seen' | 'epoch'>

export interface Listening {
  /** Call it once for each subscription, before anything else about its streams. */
  enter: (streams: readonly string[]) => void
  /** Call it once for each subscription that has entered. */
  leave: (streams: readonly string[]) => void
  /** Resolves once this node listens to all of these streams, which were entered; `undefined`: it does. */
  opening: (streams: readonly string[]) => Promise<unknown> | undefined
  /** Returns an offset after which this node gets all messages of these streams. Read it before the feed moves. */
  now: (streams: readonly string[]) => Now
}

export interface ListeningParts {
  broker: Pick<Broker, 'epoch' | 'seen' | 'listen' | 'unlisten'>
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
}

interface Heard {
  subscriptions: number
  /** `undefined`: the node listens. */
  opening: Promise<void> | undefined
  /** The broker's answer. */
  from: Now
  /** Keeps the stream after all. */
  stay: () => void
}

const UNLISTEN_MS = 5_000
const RETRY_MS = 1_000

const nothing = (): void => {}

export function createListening({ broker, later }: ListeningParts): Listening {
  if (broker.listen === undefined)
    return { enter: nothing, leave: nothing, opening: () => undefined, now: () => broker }
  const listen = broker.listen
  const heard = new Map<string, Heard>()

  function enter(stream: string): void {
    const known = heard.get(stream)
    if (known !== undefined) {
      known.subscriptions++
      return known.stay()
    }
    const one: Heard = { subscriptions: 1, opening: undefined, from: broker, stay: nothing }
    heard.set(stream, one)
    one.opening = begin(stream, one)
    one.opening.catch(nothing) // (each subscription that waits for it fails alone)
  }

  /** Tries until the broker answers, or until all subscriptions have left. */
  async function begin(stream: string, one: Heard): Promise<void> {
    for (;;) {
      try {
        one.from = { seen: await listen(stream), epoch: broker.epoch }
        one.opening = undefined
        return
      } catch (error) {
        if (!(error instanceof BrokerUnavailable)) throw error
      }
      await new Promise<void>(resolve => later(RETRY_MS, resolve))
      if (heard.get(stream) !== one) return
    }
  }

  function leave(stream: string): void {
    const one = heard.get(stream)!
    one.subscriptions--
    if (one.subscriptions > 0) return
    one.stay = later(UNLISTEN_MS, () => {
      heard.delete(stream)
      broker.unlisten?.(stream)
    })
  }

  return {
    enter: streams => streams.forEach(enter),
    leave: streams => streams.forEach(leave),
    opening(streams) {
      const openings = streams.flatMap(stream => heard.get(stream)!.opening ?? [])
      return openings.length === 0 ? undefined : Promise.all(openings)
    },
    now(streams) {
      let now: Now = broker
      for (const stream of streams) {
        const { from } = heard.get(stream)!
        // The feed may still be behind the moment at which we began to listen, and it lacks the messages before that.
        if (from.epoch === broker.epoch && from.seen > now.seen) now = from
      }
      return now
    },
  }
}
