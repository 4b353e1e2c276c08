/**
 * With --log_level=debug the log follows each broadcast from the request of a backend to the clients of each node:
 *
 *   DBG a broadcast arrived request_id=9f3c stream=board/1 id=Xk2 digest=5f1d0c2a
 *   DBG a broadcast goes to clients stream=board/1 offset=12 epoch=aZ3x listeners=3 digest=5f1d0c2a
 *
 * Offset and epoch are also in the frame that a client gets. No broker carries the id of a request, so the digest of the message
 * links the two lines, also when another node writes the second one.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { FeedParts } from '../hub/feed.ts'
import type { Hub } from '../hub/hub.ts'
import type { Log } from '../log.ts'
import type { Publication } from '../protocol/publication.ts'

export interface Trace {
  arrived: (publications: readonly Publication[], requestId: string | undefined) => void
  delivered: NonNullable<FeedParts['delivered']>
}

export interface TraceParts {
  hub: Pick<Hub, 'countOf'>
  log: Pick<Log, 'debug'>
}

export function createTrace({ hub, log }: TraceParts): Trace {
  return {
    arrived(publications, requestId) {
      for (const { stream, id, message } of publications)
        log.debug({ request_id: requestId, stream, id, digest: digestOf(message) }, 'a broadcast arrived')
    },
    delivered({ stream, message, offset, epoch }) {
      const listeners = hub.countOf(stream)
      log.debug({ stream, offset, epoch, listeners, digest: digestOf(message) }, 'a broadcast goes to clients')
    },
  }
}

/** The id that a backend, or a proxy in front of it, gave its request; `undefined` if it has no id, or an odd one. */
export function requestIdOf({ 'x-request-id': id }: IncomingHttpHeaders): string | undefined {
  return typeof id === 'string' && /^[\w.:/+=-]{1,128}$/.test(id) ? id : undefined
}

const digestOf = (message: string): string => createHash('sha256').update(message).digest('hex').slice(0, 8)
