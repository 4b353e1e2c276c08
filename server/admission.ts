/**
 * Who is let in: from an upgrade request to a session, or to a refusal that says why.
 *
 *   token ─▶ identity ─▶ session, new or resumed
 *
 * The WebSocket is open before the token is looked at, because Action Cable's clients understand a refusal only as a
 * disconnect frame; but no session exists, and nothing is heard or delivered, until the token is good. A lost session is
 * resumed only by the same identity: its sid alone, which is in URLs and logs, opens nothing.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { identify } from './auth/identity.ts'
import type { Config } from './config.ts'
import { type EndingCode, SessionRefused } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { disconnect, type PingPrecision } from './protocol/action-cable.ts'
import { EXTENDED, readToken, readWishes } from './protocol/negotiate.ts'
import type { Snapshot } from './resume.ts'
import { Session, type SessionParts } from './session.ts'
import type { Sessions } from './sessions.ts'
import type { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatch } from './transport/pongs.ts'
import type { Accept, Connection } from './transport/websocket.ts'

type Shared = Omit<SessionParts, 'send' | 'close' | 'congested'>

export interface AdmissionParts extends Omit<Shared, 'limits' | 'historySince' | 'explain' | 'count' | 'later'> {
  sessions: Sessions
  heartbeat: Heartbeat
  metrics: Metrics
}

/** What is known of a client before it is anybody. */
export interface Caller {
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export interface Identity {
  readonly identity: string
  /** Nobody vouches for it: --noauth. */
  readonly anonymous: boolean
}

export interface Admission {
  accept: Accept
  /** Who the caller is. Throws {@link SessionRefused}, which was counted and logged. */
  authenticate: (caller: Caller, sid: string) => Identity
  /** What every session is made with. */
  readonly shared: Shared
}

export const newSid = (): string => randomBytes(16).toString('base64url')

export function createAdmission(config: Config, { sessions, heartbeat, metrics, ...parts }: AdmissionParts): Admission {
  const { settings } = config
  const shared: Shared = {
    ...parts,
    limits: {
      maxSubscriptions: settings.max_subscriptions,
      maxIdentifierLength: settings.max_identifier_length,
      maxReplayBytes: settings.ws_max_pending_size || Number.POSITIVE_INFINITY,
    },
    historySince: settings.history_since,
    explain: settings.dev,
    count: code => metrics.refused(code),
    later: (ms, then) => {
      const timer = setTimeout(then, ms)
      return () => clearTimeout(timer)
    },
  }

  function authenticate(caller: Caller, sid: string): Identity {
    try {
      return identityOf(config, caller, sid)
    } catch (error) {
      if (error instanceof SessionRefused) {
        metrics.failed_auths_total++
        metrics.refused(error.code)
        parts.log.warn({ code: error.code }, `session refused: ${error.message}`)
      }
      throw error
    }
  }

  const accept: Accept = (connection, { url = '', headers }) => {
    const sid = newSid()
    let who: Identity
    try {
      who = authenticate({ url, headers }, sid)
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error
      refuse(connection, error.code, settings.dev)
      return undefined
    }
    const extended = connection.protocol === EXTENDED
    const { previousSid, pingInterval, pingPrecision } = readWishes(url, headers)
    const resumed = extended && previousSid !== '' ? sessions.resume(previousSid, who) : undefined
    const session = new Session(sid, resumed?.identity ?? who.identity, { ...shared, ...connection }, resumed)
    sessions.add(session, extended ? snapshot => ({ ...snapshot, anonymous: who.anonymous }) : undefined)

    const pongs =
      extended && settings.pong_timeout > 0
        ? createPongWatch(settings.pong_timeout * 1000, () => session.disconnect('no_pong'))
        : undefined
    const rhythm = {
      interval: pingInterval ?? settings.ping_interval,
      precision: pingPrecision ?? (settings.ping_timestamp_precision as PingPrecision),
    }
    const beat = pongs === undefined ? connection.send : (frame: Buffer) => (connection.send(frame), pongs.pinged())
    const stopPings = heartbeat.add(beat, rhythm)
    return {
      message: text => {
        metrics.client_msg_total++
        pongs?.heard()
        session.receive(text)
      },
      drained: () => session.drained(),
      tooSlow: () => {
        metrics.disconnected_slow_clients_total++
        session.disconnect('too_slow')
      },
      closed: () => {
        stopPings()
        pongs?.stop()
        sessions.lost(session)
      },
    }
  }

  return { accept, authenticate, shared }
}

function refuse(connection: Connection, code: EndingCode, explain: boolean): void {
  connection.send(disconnect(code, explain))
  connection.close(code)
}

function identityOf(
  { jwtSecret, jwtParam, enforceJwt, noauth }: Config,
  { url, headers }: Caller,
  sid: string,
): Identity {
  const token = readToken(url, headers, jwtParam)
  // A bad token is refused even where none is needed: whoever sends one means it.
  if (token !== '' && jwtSecret !== '')
    return { identity: identify(token, jwtSecret, Math.floor(Date.now() / 1000)), anonymous: false }
  if (noauth && !enforceJwt) return { identity: JSON.stringify({ sid }), anonymous: true }
  throw new SessionRefused(jwtSecret === '' ? 'nobody_can_connect' : 'token_missing')
}

/** Whether a lost session is this caller's. */
export const isTheSame = ({ identity, anonymous }: Identity, snapshot: Snapshot): boolean =>
  anonymous ? snapshot.anonymous : !snapshot.anonymous && snapshot.identity === identity
