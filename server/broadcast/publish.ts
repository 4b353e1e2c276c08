/**
 * How a publication becomes a broadcast: the history takes it, then the hub delivers it. A publication whose id was
 * published before is a retry, and does nothing.
 */
import type { History } from '../history/history.ts'
import type { Hub } from '../hub/hub.ts'
import type { Turn } from '../hub/turn.ts'
import { payloadOf, storedPayload } from '../protocol/payload.ts'
import type { Publication } from '../protocol/publication.ts'

/** Returns false, and publishes nothing, if the id of the publication was published before. */
export type Publish = (publication: Publication) => boolean

/** Remembers the ids of recent publications. */
export interface PublishedIds {
  has: (id: string) => boolean
  add: (id: string) => void
}

export interface PublishParts {
  hub: Hub
  history: History | undefined
  ids: PublishedIds
  turn: Turn
  /** Called with the ms until all sockets have it. */
  took: (ms: number) => void
}

export function createPublish({ hub, history, ids, turn, took }: PublishParts): Publish {
  let measuring = false
  const measure = () => {
    if (measuring) return
    measuring = true
    const started = performance.now()
    turn.after(() => {
      measuring = false
      took(performance.now() - started)
    })
  }

  const broadcast = ({ stream, message, exclude, type, transient }: Publication) => {
    measure()
    if (history === undefined || transient) {
      return hub.broadcast({ stream, payload: payloadOf(message), exclude, type, transient: true })
    }
    const { offset, body } = history.append(stream, message, exclude)
    const payload = storedPayload(body, stream, { offset, epoch: history.epoch })
    hub.broadcast({ stream, payload, exclude, type })
  }

  return publication => {
    const { id } = publication
    if (id !== undefined && ids.has(id)) return false
    broadcast(publication)
    // Afterwards: if publishing throws, the retry of the backend must not be taken for a repetition.
    if (id !== undefined) ids.add(id)
    return true
  }
}
