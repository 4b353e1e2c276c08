/**
 * Admission: from an upgrade request to a session, or to a refusal that says why.
 *
 *   token ─▶ identity ─▶ session, new or resumed
 *
 * We open the WebSocket before we check the token, because Action Cable's clients understand a refusal only as a disconnect
 * frame; but until the token is good there is no session, and we neither read commands nor deliver messages. Only the same
 * identity resumes a lost session: its sid, which is in URLs and logs, does not suffice.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Identify, tokenVerifier } from '../auth/identity.ts'
import { atTime, type Clocks } from '../base/clocks.ts'
import { ENDINGS, type EndingCode, SessionRefused } from '../errors.ts'
import type { Connection, Listener } from '../hub/connection.ts'
import type { Metrics } from '../metrics.ts'
import { disconnect, type PingPrecision } from '../protocol/action-cable.ts'
import { EXTENDED, readToken, readWishes, type Wishes } from '../protocol/negotiate.ts'
import type { Identity } from './identity.ts'
import { type LimitSettings, limitsOf } from './limits.ts'
import { Session, type SessionParts } from './session.ts'
import { type Beat, type PongWatch, type Rhythm, SessionListener, type Slot } from './session-listener.ts'
import type { Sessions } from './sessions.ts'

export interface AdmissionParts
  extends Omit<SessionParts, 'limits' | 'historySince' | 'explain' | 'count' | 'ignored'> {
  sessions: Sessions
  /** Makes a session id that nobody can guess. */
  newSid: () => string
  /** Pings at a rhythm until the caller deletes the beat from the slot; `undefined`: never. */
  ping: (beat: Beat, rhythm: Rhythm) => Slot<Beat> | undefined
  /** Calls `missing` if a client is silent after a ping; `undefined`: it may be. */
  watchPongs: ((missing: () => void) => PongWatch) | undefined
  metrics: Metrics
  wall: Clocks['wall']
  monotonic: Clocks['monotonic']
}

export interface AdmissionSettings {
  readonly jwtSecrets: readonly string[]
  readonly jwtParam: string
  readonly enforceJwt: boolean
  readonly noauth: boolean
  /** By their names. */
  readonly settings: LimitSettings & {
    readonly history_since: boolean
    readonly dev: boolean
    readonly max_sessions: number
    readonly max_sessions_per_identity: number
    readonly ping_interval: number
    readonly ping_timestamp_precision: string
    readonly jwt_close_on_expiry: boolean
  }
}

export type Accept = (connection: Connection, request: IncomingMessage) => Listener | undefined

/** A client before we know its identity. */
export interface Caller {
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** A caller that may have a session. */
export interface Admitted extends Identity {
  readonly sid: string
}

export interface Admission {
  /** Admits a WebSocket client, or sends it the reason for the refusal. */
  accept: Accept
  /** Returns the caller's identity; or counts, logs and throws a {@link SessionRefused}. */
  authenticate: (caller: Caller) => Admitted
  /** Counts, logs and throws a {@link SessionRefused} if there are too many sessions. */
  checkLimits: (who: Identity) => void
  /** Makes the session of a connection. Throws as {@link checkLimits} does. */
  admit: (connection: Connection, who: Admitted, wishes: Wishes) => SessionListener
  /** The parts that all sessions share. */
  readonly shared: SessionParts
}

export function createAdmission(
  config: AdmissionSettings,
  { sessions, newSid, ping, watchPongs, metrics, wall, monotonic, ...parts }: AdmissionParts,
): Admission {
  const { settings } = config
  const shared: SessionParts = {
    ...parts,
    limits: limitsOf(settings),
    historySince: settings.history_since,
    explain: settings.dev,
    count: metrics.refused,
    ignored(code) {
      metrics.failed_client_msg_total++
      metrics.refused(code)
    },
  }

  const listenerParts = { sessions, metrics, monotonic }
  const identify = tokenVerifier(config.jwtSecrets)

  function authenticate(caller: Caller): Admitted {
    const sid = newSid()
    try {
      const { key, ...who } = identityOf(config, token => identify(token, Math.floor(wall() / 1000)), caller, sid)
      if (key !== undefined) metrics.verified('jwt', key)
      return { ...who, sid }
    } catch (error) {
      throw error instanceof SessionRefused ? reported(error) : error
    }
  }

  function checkLimits({ identity }: Identity): void {
    if (sessions.count >= settings.max_sessions) throw reported(new SessionRefused('sessions_limit'))
    if (sessions.countOf(identity) >= settings.max_sessions_per_identity)
      throw reported(new SessionRefused('identity_limit'))
  }

  function reported(refusal: SessionRefused): SessionRefused {
    const { code, message } = refusal
    if (ENDINGS[code].tell !== 'sessions_limit') metrics.failed_auths_total++
    metrics.refused(code)
    parts.log.warn({ code }, `session refused: ${message}`)
    return refusal
  }

  function admit(connection: Connection, who: Admitted, wishes: Wishes): SessionListener {
    checkLimits(who)
    const { previousSid, pingInterval, pingPrecision } = wishes
    const resumable = connection.protocol === EXTENDED
    const resumed = resumable && previousSid !== '' ? sessions.resume(previousSid, who) : undefined
    const identity = resumed?.identity ?? who.identity
    const arrival = { sid: who.sid, identity, anonymous: who.anonymous, resumable, connection, resumed }
    const session = new Session(arrival, shared)
    const listener = new SessionListener(session, listenerParts)
    if (resumable) listener.pongs = watchPongs?.(() => session.disconnect('no_pong'))
    listener.pings = ping(listener, {
      interval: pingInterval ?? settings.ping_interval,
      precision: pingPrecision ?? (settings.ping_timestamp_precision as PingPrecision),
    })
    if (settings.jwt_close_on_expiry && who.expires !== undefined) {
      const expire = () => session.disconnect('token_expired')
      listener.stopClock = atTime(who.expires, expire, { wall, later: parts.later })
    }
    sessions.add(session)
    listener.begin(resumed)
    return listener
  }

  const accept: Accept = (connection, { url = '', headers }) => {
    try {
      return admit(connection, authenticate({ url, headers }), readWishes(url, headers))
    } catch (error) {
      if (!(error instanceof SessionRefused)) parts.failed(error)
      refuse(connection, error instanceof SessionRefused ? error.code : 'internal', settings.dev)
      return undefined
    }
  }

  return { accept, authenticate, checkLimits, admit, shared }
}

function refuse(connection: Connection, code: EndingCode, explain: boolean): void {
  connection.send(disconnect(code, explain))
  connection.close(code)
}

function identityOf(
  { jwtSecrets, jwtParam, enforceJwt, noauth }: AdmissionSettings,
  identify: (token: string) => ReturnType<Identify>,
  { url, headers }: Caller,
  sid: string,
): Identity & { key?: number } {
  const token = readToken(url, headers, jwtParam)
  // Refuse a bad token even if the cable needs none: a client that sends a token wants that identity.
  if (token !== '' && jwtSecrets.length > 0) return { ...identify(token), anonymous: false }
  if (noauth && !enforceJwt) return { identity: JSON.stringify({ sid }), expires: undefined, anonymous: true }
  throw new SessionRefused(jwtSecrets.length === 0 ? 'nobody_can_connect' : 'token_missing')
}
