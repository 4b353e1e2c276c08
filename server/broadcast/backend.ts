/**
 * Requests of backends, over any transport: publications and remote disconnects.
 */
import { type Soon, soon } from '../base/soon.ts'
import type { Broker, Disconnect } from '../broker.ts'
import type { Metrics } from '../metrics.ts'
import { parseRequest } from '../protocol/publication.ts'

export type Publish = Broker['publish']

export interface Backend {
  /** Applies the whole body of a broadcast or none of it. Throws RequestRefused. */
  publish: (body: string) => Soon<void>
  /** Returns how many sessions it ended. */
  disconnect: (request: Disconnect) => Soon<number>
}

export interface BackendParts {
  publish: Publish
  /** Returns how many sessions it ended. */
  disconnect: (request: Disconnect) => Soon<number>
  metrics: Metrics
}

export function createBackend({ publish, disconnect: end, metrics }: BackendParts): Backend {
  const disconnect: Backend['disconnect'] = request => {
    metrics.remote_commands_total++
    return end(request)
  }
  return {
    publish(body) {
      const request = parseRequest(body)
      metrics.publications_total++
      if ('disconnect' in request) return soon(disconnect(request.disconnect), () => {})
      const asked = request.publications.length
      return soon(publish(request.publications), ({ length }) => {
        metrics.broadcast_msg_total += length
        metrics.repeated_broadcast_msg_total += asked - length
      })
    },
    disconnect,
  }
}
