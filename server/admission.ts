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
import { ENDINGS, type EndingCode, SessionRefused } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { disconnect, type PingPrecision } from './protocol/action-cable.ts'
import { EXTENDED, readToken, readWishes } from './protocol/negotiate.ts'
import type { Snapshot } from './resume.ts'
import { Session, type SessionParts } from './session.ts'
import type { Sessions } from './sessions.ts'
import type { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatch } from './transport/pongs.ts'
import type { Accept, Connection } from './transport/websocket.ts'

type Shared = Omit<SessionParts, 'send' | 'close' | 'congested' | 'pending'>

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
  /** Unix seconds; `undefined`: never. */
  readonly expires: number | undefined
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
      const { key, ...who } = identityOf(config, caller, sid)
      if (key !== undefined) metrics.verified('jwt', key)
      if (sessions.count >= settings.max_sessions) throw new SessionRefused('sessions_limit')
      if (sessions.countOf(who.identity) >= settings.max_sessions_per_identity)
        throw new SessionRefused('identity_limit')
      return who
    } catch (error) {
      if (error instanceof SessionRefused) {
        if (ENDINGS[error.code].tell !== 'sessions_limit') metrics.failed_auths_total++
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
    const beat = (frame: Buffer) => {
      connection.ping(frame)
      pongs?.pinged()
    }
    const stopPings = heartbeat.add(beat, rhythm)
    const stopClock = settings.jwt_close_on_expiry
      ? atTime(who.expires, () => session.disconnect('token_expired'))
      : undefined
    return {
      message: text => {
        metrics.client_msg_total++
        pongs?.heard()
        const started = performance.now()
        session.receive(text)
        metrics.commandTook(performance.now() - started)
      },
      heard: () => session.heard(),
      drained: () => session.drained(),
      tooSlow: () => {
        metrics.disconnected_slow_clients_total++
        session.disconnect('too_slow')
      },
      closed: () => {
        stopPings()
        pongs?.stop()
        stopClock?.()
        sessions.lost(session)
      },
    }
  }

  return { accept, authenticate, shared }
}

/** The longest that a timer of Node's can run. */
const LONGEST_MS = 2 ** 31 - 1

/** Calls back at a time, Unix seconds, unless cancelled by what it returns. */
function atTime(seconds: number | undefined, then: () => void): () => void {
  if (seconds === undefined) return () => {}
  let timer: NodeJS.Timeout
  const wait = () => {
    const left = seconds * 1000 - Date.now()
    timer = setTimeout(left > LONGEST_MS ? wait : then, Math.min(Math.max(0, left), LONGEST_MS))
  }
  wait()
  return () => clearTimeout(timer)
}

function refuse(connection: Connection, code: EndingCode, explain: boolean): void {
  connection.send(disconnect(code, explain))
  connection.close(code)
}

function identityOf(
  { jwtSecrets, jwtParam, enforceJwt, noauth }: Config,
  { url, headers }: Caller,
  sid: string,
): Identity & { key?: number } {
  const token = readToken(url, headers, jwtParam)
  // A bad token is refused even where none is needed: whoever sends one means it.
  if (token !== '' && jwtSecrets.length > 0)
    return { ...identify(token, jwtSecrets, Math.floor(Date.now() / 1000)), anonymous: false }
  if (noauth && !enforceJwt) return { identity: JSON.stringify({ sid }), expires: undefined, anonymous: true }
  throw new SessionRefused(jwtSecrets.length === 0 ? 'nobody_can_connect' : 'token_missing')
}

/** Whether a lost session is this caller's. */
export const isTheSame = ({ identity, anonymous }: Identity, snapshot: Snapshot): boolean =>
  anonymous ? snapshot.anonymous : !snapshot.anonymous && snapshot.identity === identity
