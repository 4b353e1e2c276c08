/**
 * Admission: from an upgrade request to a session, or to a refusal that says why.
 *
 *   token ─▶ identity ─▶ session, new or resumed
 *   no token ─▶ the app ─▶ identity ─▶ …
 *
 * We open the WebSocket before we check the token, because Action Cable's clients understand a refusal only as a disconnect
 * frame; but until the token is good there is no session, and we neither read commands nor deliver messages. Only the same
 * identity resumes a lost session: its sid, which is in URLs and logs, does not suffice.
 */
import type { IncomingMessage } from 'node:http'
import { atTime, type Clocks } from '../base/clocks.ts'
import type { Soon } from '../base/soon.ts'
import { AUTH_FAILED, ENDINGS, SessionRefused } from '../errors.ts'
import { type Asking, createAddressReader } from '../http/client-address.ts'
import type { Connection, ConnectionListener, WaitingClient } from '../hub/connection.ts'
import type { Metrics } from '../metrics.ts'
import { disconnect, type PingPrecision } from '../protocol/action-cable.ts'
import { EXTENDED, readWishes, type Wishes } from '../protocol/negotiate.ts'
import type { Arrivals } from './arrivals.ts'
import { type Admitted, type Caller, createIdentify, type IdentifyParts, type IdentifySettings } from './identify.ts'
import type { Identity } from './identity.ts'
import { type LimitSettings, limitsOf } from './limits.ts'
import type { Snapshot } from './resumables.ts'
import { Session } from './session.ts'
import { type Beat, type PongWatch, type Rhythm, SessionListener, type Slot } from './session-listener.ts'
import type { SessionParts } from './session-parts.ts'
import type { Sessions } from './sessions.ts'
import { transmit } from './transmit.ts'

export interface AdmissionParts
  extends Omit<SessionParts, 'app' | 'limits' | 'historySince' | 'explain' | 'count' | 'ignored'>,
    Pick<IdentifyParts, 'connect' | 'requestOf'> {
  sessions: Sessions
  arrivals: Arrivals
  /** Makes a session id that nobody can guess. */
  newSid: () => string
  /** Pings at a rhythm until the caller deletes the beat from the slot; `undefined`: never. */
  ping: (beat: Beat, rhythm: Rhythm) => Slot<Beat> | undefined
  /** Calls `missing` if a client is silent after a ping; `undefined`: it may be. */
  watchPongs: ((missing: () => void) => PongWatch) | undefined
  metrics: Metrics
  wall: Clocks['wall']
}

export interface AdmissionSettings extends IdentifySettings {
  /** By their names. */
  readonly settings: LimitSettings & {
    readonly history_since: boolean
    readonly dev: boolean
    readonly max_sessions: number
    readonly max_sessions_per_identity: number
    readonly ping_interval: number
    readonly ping_timestamp_precision: string
    readonly jwt_close_on_expiry: boolean
    readonly trusted_proxies: readonly string[]
  }
}

/** Returns `undefined` if the client was refused. */
export type Accept = (
  connection: Connection,
  request: IncomingMessage,
) => ConnectionListener | WaitingClient | undefined

/** Calls `then` when the client has left. */
export type WhenLeft = (then: () => void) => void

export interface Admission {
  /** Admits a WebSocket client, or sends it the reason for the refusal. */
  accept: Accept
  /** Returns the caller's identity. Throws {@link SessionRefused}. */
  authenticate: (caller: Caller, whenLeft: WhenLeft) => Soon<Admitted | 'left'>
  /** Tells the app that a client which it admitted has gone, unless the client got a session. */
  abandon: (admitted: Admitted) => void
  /** Throws {@link SessionRefused} if there are too many sessions. */
  checkLimits: (admitted: Identity) => void
  /** Makes the session of a connection that resumes no other. Throws as {@link checkLimits} does. */
  admit: (connection: Connection, admitted: Admitted, wishes: Wishes) => SessionListener
  /** Counts and logs a refusal. */
  report: (refusal: SessionRefused, asking: Asking) => void
  /** The parts that all sessions share. */
  readonly shared: SessionParts
}

export function createAdmission(
  config: AdmissionSettings,
  { sessions, arrivals, connect, newSid, ping, watchPongs, requestOf, metrics, wall, ...parts }: AdmissionParts,
): Admission {
  const { settings } = config
  const shared: SessionParts = {
    ...parts,
    app: undefined,
    limits: limitsOf(settings),
    historySince: settings.history_since,
    explain: settings.dev,
    count: metrics.refused,
    ignored(code) {
      metrics.failed_client_msg_total++
      metrics.refused(code)
    },
  }

  const { monotonic } = parts
  const listenerParts = { sessions, metrics, monotonic }
  const identify = createIdentify(config, {
    ...{ arrivals, connect, abandon, requestOf, metrics, monotonic, wall, log: parts.log },
  })
  const addressOf = createAddressReader(settings.trusted_proxies)
  const now = () => Math.floor(wall() / 1000)

  const leavingOf = () => (connect === undefined ? undefined : new AbortController())

  function authenticate(caller: Caller, whenLeft: WhenLeft): Soon<Admitted | 'left'> {
    const sid = newSid()
    const leaving = leavingOf()
    const admitted = identify(caller, sid, leaving?.signal)
    if (!(admitted instanceof Promise)) return admitted
    whenLeft(() => arrivals.leave(sid))
    return arrivals.wait(sid, undefined, admitted).finally(() => leaving?.abort())
  }

  function abandon({ sid, identity, anonymous, app }: Admitted): void {
    // (A session tells the app itself, when it ends.)
    if (app === undefined || app.departure !== undefined || sessions.has(sid)) return
    app.end(identity, [])
    shared.app?.departures.left({ sid, identity, anonymous, app }, false)
  }

  function checkLimits({ identity, anonymous }: Identity): void {
    if (sessions.count >= settings.max_sessions) throw new SessionRefused('sessions_limit')
    if (!anonymous && sessions.countOf(identity) >= settings.max_sessions_per_identity)
      throw new SessionRefused('identity_limit')
  }

  function report({ code, message }: SessionRefused, asking: Asking): void {
    if (ENDINGS[code].close === AUTH_FAILED) metrics.failed_auths_total++
    metrics.refused(code)
    const level = code === 'remote' || code === 'server_restart' ? 'debug' : 'warn'
    parts.log[level]({ code, address: addressOf(asking) }, `session refused: ${message}`)
  }

  const rhythmOf = ({ pingInterval, pingPrecision }: Wishes): Rhythm => ({
    interval: pingInterval ?? settings.ping_interval,
    precision: pingPrecision ?? (settings.ping_timestamp_precision as PingPrecision),
  })

  function settled(connection: Connection, admitted: Admitted, { previousSid }: Wishes): Promise<void> | undefined {
    return connection.protocol === EXTENDED ? sessions.settled(previousSid, admitted) : undefined
  }

  function resume(connection: Connection, admitted: Admitted, { previousSid }: Wishes): Soon<Snapshot | undefined> {
    if (connection.protocol !== EXTENDED || previousSid === '') return undefined
    // Before we take the lost session: a client that has to wait for room must find it then.
    checkLimits(admitted)
    return sessions.resume(previousSid, admitted)
  }

  function admit(connection: Connection, admitted: Admitted, wishes: Wishes, resumed?: Snapshot): SessionListener {
    checkLimits(admitted)
    // The token may have expired while the client waited.
    if (settings.jwt_close_on_expiry && admitted.expires !== undefined && admitted.expires <= now())
      throw new SessionRefused('token_expired')
    const resumable = connection.protocol === EXTENDED
    const identity = resumed?.identity ?? admitted.identity
    const { sid, anonymous, request } = admitted
    const app = admitted.app ?? (request && shared.app?.client(sid, request, resumed?.app))
    const newcomer = { sid, identity, anonymous, resumable, connection, request, app, resumed }
    const session = new Session(newcomer, shared)
    const listener = new SessionListener(session, listenerParts)
    if (resumable) listener.pongs = watchPongs?.(() => session.disconnect('no_pong'))
    listener.pings = ping(listener, rhythmOf(wishes))
    if (settings.jwt_close_on_expiry && admitted.expires !== undefined) {
      const expire = () => session.disconnect('token_expired')
      listener.stopClock = atTime(admitted.expires, expire, { wall, later: parts.later })
    }
    sessions.add(session)
    if (resumed !== undefined) sessions.resumed(resumed)
    listener.begin(resumed, admitted.transmissions)
    sessions.welcomed(session)
    return listener
  }

  const accept: Accept = (connection, { url = '', headers, socket }) => {
    const caller = { url, headers, socket }
    const sid = newSid()
    const leaving = leavingOf()
    try {
      const admitted = identify(caller, sid, leaving?.signal)
      const wishes = readWishes(url, headers)
      if (admitted instanceof Promise) {
        const waiting = wait(connection, caller, { sid }, admitted)
        waiting.answer.then(() => leaving?.abort())
        return waiting
      }
      const pending = settled(connection, admitted, wishes)
      if (pending !== undefined) return wait(connection, caller, admitted, admitted, { pending })
      const resumed = resume(connection, admitted, wishes)
      if (resumed instanceof Promise) return wait(connection, caller, admitted, admitted, { resuming: resumed })
      return admit(connection, admitted, wishes, resumed)
    } catch (error) {
      refuse(connection, error, caller)
      return undefined
    }
  }

  /** Waits for the identity, for the commands of the session to resume, and for that session. Pings meanwhile. */
  function wait(
    connection: Connection,
    caller: Caller,
    { sid, identity }: { readonly sid: string; readonly identity?: string },
    found: Soon<Admitted>,
    { pending, resuming }: { pending?: Promise<void>; resuming?: Promise<Snapshot | undefined> } = {},
  ): WaitingClient {
    const wishes = readWishes(caller.url, caller.headers)
    const arrive = async () => {
      const admitted = await found
      try {
        await (pending ?? settled(connection, admitted, wishes))
        // A client that has left meanwhile takes nothing.
        const resumed = arrivals.has(sid) ? await (resuming ?? resume(connection, admitted, wishes)) : undefined
        if (arrivals.admit(sid)) return admit(connection, admitted, wishes, resumed)
      } catch (error) {
        abandon(admitted)
        throw error
      }
      abandon(admitted)
      return 'left'
    }
    const beat = { beat: (frame: Buffer) => connection.ping(frame) }
    const pings = ping(beat, rhythmOf(wishes))
    const answer = arrivals
      .wait(sid, identity, arrive())
      .catch(error => refuse(connection, error, caller))
      .finally(() => pings?.delete(beat))
      .then(listener => (listener === 'left' ? undefined : listener))
    return { answer, closed: () => arrivals.leave(sid) }
  }

  function refuse(connection: Connection, error: unknown, caller: Caller): undefined {
    const refusal = error instanceof SessionRefused ? error : new SessionRefused('internal')
    if (refusal === error) report(refusal, caller)
    else parts.failed(error)
    if (refusal.transmissions !== undefined) transmit(connection, refusal.transmissions)
    else connection.send(disconnect(refusal.code, settings.dev, refusal.reconnect))
    connection.close(refusal.code)
  }

  return { accept, authenticate, abandon, checkLimits, admit, report, shared }
}
