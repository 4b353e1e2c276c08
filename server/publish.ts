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

export const createPublish =
  (hub: Hub, history: History | undefined): Publish =>
  ({ stream, message, exclude, type, transient }) => {
    if (history === undefined || transient)
      return hub.broadcast({ stream, body: Buffer.from(message), tail: PLAIN_TAIL, exclude, type })
    const { offset, body } = history.append(stream, message, exclude)
    return hub.broadcast({ stream, body, tail: positionTail(stream, { offset, epoch: history.epoch }), exclude, type })
  }
