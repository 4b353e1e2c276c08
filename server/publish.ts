/**
 * How a publication becomes a broadcast: remembered first, then delivered.
 */
import type { History } from './history/history.ts'
import type { Hub } from './hub.ts'
import { PLAIN_TAIL } from './protocol/action-cable.ts'
import { positionTail } from './protocol/extended.ts'
import type { Publication } from './protocol/publication.ts'

/** Returns how many sessions here were handed it. */
export type Publish = (publication: Publication) => number

/** `took` is told the ms until all sockets have it. */
export function createPublish(hub: Hub, history: History | undefined, took: (ms: number) => void): Publish {
  let measuring = false
  /** Sockets are flushed when this turn of the event loop is over, and then this is. */
  const measure = () => {
    if (measuring) return
    measuring = true
    const started = performance.now()
    setImmediate(() => {
      measuring = false
      took(performance.now() - started)
    })
  }

  return ({ stream, message, exclude, type, transient }) => {
    measure()
    if (history === undefined || transient) {
      return hub.broadcast({ stream, body: Buffer.from(message), tail: PLAIN_TAIL, exclude, type })
    }
    const { offset, body } = history.append(stream, message, exclude)
    return hub.broadcast({ stream, body, tail: positionTail(stream, { offset, epoch: history.epoch }), exclude, type })
  }
}
