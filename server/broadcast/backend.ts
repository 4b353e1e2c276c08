/**
 * What backends ask of the cable, done: publications and remote disconnects, from whatever road they came by.
 */
import type { Metrics } from '../metrics.ts'
import { parseRequest, type RemoteDisconnect } from '../protocol/publication.ts'
import type { Publish } from './publish.ts'

export interface Backend {
  /** Applies the body of a broadcast, all of it or nothing. Throws RequestRefused. */
  publish: (body: string) => void
  /** Returns how many sessions there were. */
  disconnect: (request: RemoteDisconnect | { sid: string; reconnect: boolean }) => number
}

export function createBackend({
  publish,
  sessions,
  metrics,
}: {
  publish: Publish
  sessions: {
    /** Both return how many sessions they ended. */
    disconnect: (identity: string, code: 'remote', reconnect: boolean) => number
    disconnectOne: (sid: string, code: 'remote', reconnect: boolean) => number
  }
  metrics: Metrics
}): Backend {
  const disconnect: Backend['disconnect'] = request => {
    metrics.remote_commands_total++
    return 'sid' in request
      ? sessions.disconnectOne(request.sid, 'remote', request.reconnect)
      : sessions.disconnect(request.identity, 'remote', request.reconnect)
  }
  return {
    publish(body) {
      const request = parseRequest(body)
      metrics.publications_total++
      if ('disconnect' in request) return void disconnect(request.disconnect)
      for (const publication of request.publications) {
        if (publish(publication)) metrics.broadcast_msg_total++
        else metrics.repeated_broadcast_msg_total++
      }
    },
    disconnect,
  }
}
