/**
 * Who is let in: from an upgrade request to a session, or to a refusal that says why.
 *
 *   token ─▶ identity ─▶ session
 *
 * The WebSocket is open before the token is looked at, because Action Cable's clients understand a refusal only as a
 * disconnect frame; but no session exists, and nothing is heard or delivered, until the token is good.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { identify } from './auth/identity.ts'
import type { Config } from './config.ts'
import { SessionRefused } from './errors.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { disconnect } from './protocol/action-cable.ts'
import { readToken } from './protocol/negotiate.ts'
import { Session, type SessionParts } from './session.ts'
import type { Sessions } from './sessions.ts'
import type { Heartbeat } from './transport/heartbeat.ts'
import type { Accept } from './transport/websocket.ts'

export interface AdmissionParts extends Pick<SessionParts, 'resolve' | 'hub'> {
  sessions: Sessions
  heartbeat: Heartbeat
  metrics: Metrics
  log: Log
}

export function createAdmission(config: Config, { sessions, heartbeat, metrics, ...parts }: AdmissionParts): Accept {
  const { settings } = config
  const shared = {
    ...parts,
    limits: { maxSubscriptions: settings.max_subscriptions, maxIdentifierLength: settings.max_identifier_length },
    explain: settings.dev,
    count: (code: string) => metrics.refused(code),
  }

  return (connection, request) => {
    const sid = randomBytes(16).toString('base64url')
    let identity: string
    try {
      identity = authenticate(config, request, sid)
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error
      metrics.failed_auths_total++
      metrics.refused(error.code)
      parts.log.warn({ code: error.code }, `session refused: ${error.message}`)
      connection.send(disconnect(error.code, settings.dev))
      connection.close(error.code)
      return undefined
    }

    const session = new Session(sid, identity, { ...shared, ...connection })
    const stopPings = heartbeat.add(connection.send)
    sessions.add(session)
    return {
      message: text => {
        metrics.client_msg_total++
        session.receive(text)
      },
      tooSlow: () => {
        metrics.disconnected_slow_clients_total++
        session.disconnect('too_slow')
      },
      closed: () => {
        stopPings()
        session.end()
        sessions.remove(session)
      },
    }
  }
}

/** The identity of the request. Throws {@link SessionRefused}. */
function authenticate(
  { jwtSecret, jwtParam, enforceJwt, noauth }: Config,
  request: IncomingMessage,
  sid: string,
): string {
  const token = readToken(request.url ?? '', request.headers, jwtParam)
  // A bad token is refused even where none is needed: whoever sends one means it.
  if (token !== '' && jwtSecret !== '') return identify(token, jwtSecret, Math.floor(Date.now() / 1000))
  if (noauth && !enforceJwt) return JSON.stringify({ sid })
  throw new SessionRefused(jwtSecret === '' ? 'nobody_can_connect' : 'token_missing')
}
