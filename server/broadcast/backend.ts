/**
 * Requests of backends, over any transport: publications and remote disconnects.
 */
import { type Soon, soon } from '../base/soon.ts'
import type { Broker, Disconnect, Told } from '../broker.ts'
import type { Metrics } from '../metrics.ts'
import { type Publication, parseRequest } from '../protocol/publication.ts'
import type { Trace } from './trace.ts'

export type Publish = Broker['publish']

export interface Backend {
  /**
   * Applies the whole body or none of it. A store that keeps it until it is published gives it a `name`, which becomes the id
   * of a publication without one. `requestId`: of the backend, for the log. Throws RequestRefused.
   */
  publish: (body: string, name?: string, requestId?: string) => Soon<void>
  /** Returns how many sessions it ended, or how many nodes it told. */
  disconnect: (request: Disconnect) => Soon<number | Told>
}

export interface BackendParts {
  publish: Publish
  /** For a body with a name. By default `publish`. */
  publishStored?: Publish
  disconnect: Backend['disconnect']
  /** Logs each publication. `undefined`: the log does not show them. */
  arrived?: Trace['arrived'] | undefined
  metrics: Metrics
}

export function createBackend({
  publish,
  publishStored = publish,
  disconnect: end,
  arrived,
  metrics,
}: BackendParts): Backend {
  const disconnect: Backend['disconnect'] = request => {
    metrics.remote_commands_total++
    return end(request)
  }
  return {
    publish(body, name, requestId) {
      const request = parseRequest(body)
      if (name !== undefined && 'publications' in request) nameAll(request.publications, name)
      metrics.publications_total++
      if ('disconnect' in request) return soon(disconnect(request.disconnect), () => {})
      arrived?.(request.publications, requestId)
      const asked = request.publications.length
      const take = name === undefined ? publish : publishStored
      return soon(take(request.publications), ({ length }) => {
        metrics.broadcast_msg_total += length
        metrics.repeated_broadcast_msg_total += asked - length
      })
    },
    disconnect,
  }
}

/** Publications of one body get different ids, the same in each retry. */
function nameAll(publications: readonly Publication[], name: string): void {
  publications.forEach((publication, at) => {
    publication.id ??= publications.length === 1 ? name : `${name}:${at}`
  })
}
