/**
 * The feed: passes the broker's messages to the hub and to sessions.
 */
import type { Broker, Entry, Feed, Signal } from '../broker.ts'
import { payloadOf, storedPayload } from '../protocol/payload.ts'
import type { Position } from '../protocol/position.ts'
import type { Hub } from './hub.ts'
import type { Turn } from './turn.ts'

export interface FeedParts {
  hub: Pick<Hub, 'broadcast'>
  turn: Pick<Turn, 'after'>
  broker: Pick<Broker, 'epoch'>
  /** Returns how many sessions it ended. */
  signal: (signal: Signal) => number
  /** Asks the pages that listen to these streams, or to any, to refresh. */
  gap: (streams: readonly string[] | 'all') => void
  monotonic: () => number
  /** Called with the ms from a message until all sockets have it. */
  took: (ms: number) => void
  /** Logs each broadcast. `undefined`: the log does not show them. */
  delivered?: ((message: Pick<Entry, 'stream' | 'message'> & Partial<Position>) => void) | undefined
}

export function createFeed({ hub, turn, broker, signal, gap, monotonic, took, delivered }: FeedParts): Feed {
  let measuring = false
  let started = 0
  const measured = () => {
    measuring = false
    took(monotonic() - started)
  }
  const measure = () => {
    if (measuring) return
    measuring = true
    started = monotonic()
    turn.after(measured)
  }

  return {
    entry({ stream, offset, message, exclude, type }) {
      measure()
      delivered?.({ stream, message, offset, epoch: broker.epoch })
      hub.broadcast({
        stream,
        payload: storedPayload(message, stream, { offset, epoch: broker.epoch }),
        exclude,
        type,
        offset,
      })
    },
    live(stream, { message, exclude, type, fromClient }) {
      if (!fromClient) {
        measure()
        delivered?.({ stream, message })
      }
      hub.broadcast({ stream, payload: payloadOf(message), exclude, type, fromClient })
    },
    signal,
    gap,
  }
}
