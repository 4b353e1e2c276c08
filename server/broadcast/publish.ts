/**
 * How a publication becomes a broadcast: the history takes it, then the hub delivers it.
 */
import type { History } from '../history/history.ts'
import type { Hub } from '../hub/hub.ts'
import type { Turn } from '../hub/turn.ts'
import { payloadOf, storedPayload } from '../protocol/payload.ts'
import type { Publication } from '../protocol/publication.ts'

export type Publish = (publication: Publication) => void

export interface PublishParts {
  hub: Hub
  history: History | undefined
  turn: Turn
  /** Called with the ms until all sockets have it. */
  took: (ms: number) => void
}

export function createPublish({ hub, history, turn, took }: PublishParts): Publish {
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

  return ({ stream, message, exclude, type, transient }) => {
    measure()
    if (history === undefined || transient) {
      return hub.broadcast({ stream, payload: payloadOf(message), exclude, type, transient: true })
    }
    const { offset, body } = history.append(stream, message, exclude)
    const payload = storedPayload(body, stream, { offset, epoch: history.epoch })
    hub.broadcast({ stream, payload, exclude, type })
  }
}
