/**
 * The connected sessions, and the lost ones: by identity for remote disconnects, by sid for resuming.
 */

import type { ReportFailure } from '../base/failure.ts'
import { countOf, each, type Few, withOne, withoutOne } from '../base/few.ts'
import type { Soon } from '../base/soon.ts'
import { type Broker, BrokerUnavailable, type Signal, unawaited } from '../broker.ts'
import type { Arrivals } from './arrivals.ts'
import type { Departures } from './departures.ts'
import { type Identity, isTheSame } from './identity.ts'
import type { Resumables, Snapshot } from './resumables.ts'
import type { Session } from './session.ts'
import type { Stored } from './session-parts.ts'

export interface SessionsParts {
  resumables: Resumables
  arrivals: Arrivals
  signal: Broker['signal']
  /** Takes sessions that have ended; `undefined`: the cable tells no application. */
  departures?: () => Pick<Departures, 'left' | 'resumed' | 'forget'> | undefined
  /** Calls `then` after so many ms. */
  later: (ms: number, then: () => void) => void
  failed: ReportFailure
}

/** How long a session that is resumed waits for the actions of the one before. */
const PATIENCE_MS = 1_500
/** Time until we store a session again after the store was away. */
const RETRY_MS = 1_000

export class Sessions {
  readonly #byIdentity = new Map<string, Few<Session>>()
  readonly #bySid = new Map<string, Session>()
  readonly #parts: SessionsParts
  /** Their stored state is out of date. */
  readonly #outOfDate = new Set<Stored>()
  /** The same, and the store is away. */
  readonly #unstored = new Set<Stored>()
  /** Stores the session's state again, soon; `undefined`: no other node could take the session. */
  readonly changed: ((session: Stored) => void) | undefined

  constructor(parts: SessionsParts) {
    this.#parts = parts
    this.changed = parts.resumables.connected && (session => this.#storeSoon(session))
  }

  get count(): number {
    return this.#bySid.size
  }

  has(sid: string): boolean {
    return this.#bySid.has(sid)
  }

  /** The oldest first. */
  [Symbol.iterator](): Iterator<Session> {
    return this.#bySid.values()
  }

  /** Sessions, and clients that wait to become one. */
  get clients(): number {
    return this.count + this.#parts.arrivals.count
  }

  get identities(): number {
    return this.#byIdentity.size
  }

  /** Bytes in the write queues of all sessions. */
  get pending(): number {
    let bytes = 0
    for (const { connection } of this.#bySid.values()) bytes += connection.pending()
    return bytes
  }

  countOf(identity: string): number {
    return countOf(this.#byIdentity.get(identity))
  }

  add(session: Session): void {
    this.#byIdentity.set(session.identity, withOne(this.#byIdentity.get(session.identity), session))
    this.#bySid.set(session.sid, session)
  }

  /** `former`: the session that it resumes. */
  resumed(former: Snapshot): void {
    this.#parts.departures?.()?.resumed(former.sids[0]!)
  }

  /** The client knows its sid, and may take it to another node. */
  welcomed(session: Session): void {
    const { resumables, failed } = this.#parts
    if (resumables.connected === undefined || !session.resumable || session.ended) return
    unawaited(resumables.connected.add(session.snapshot()), failed)
  }

  #storeSoon(session: Stored): void {
    const { later, resumables, failed } = this.#parts
    const { connected } = resumables
    if (connected === undefined) return
    this.#outOfDate.add(session)
    if (this.#outOfDate.size > 1) return
    later(connected.batchMs, () => {
      const sessions = [...this.#outOfDate].filter(({ ended, resumable }) => resumable && !ended)
      this.#outOfDate.clear()
      for (const session of sessions) this.#store(session, connected).catch(failed)
    })
  }

  async #store(session: Stored, connected: NonNullable<Resumables['connected']>): Promise<void> {
    try {
      await connected.update(session.snapshot())
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error
      this.#storeLater(session)
    }
  }

  /** Else a client that goes to another node would get back what it left. */
  #storeLater(session: Stored): void {
    this.#unstored.add(session)
    if (this.#unstored.size > 1) return
    this.#parts.later(RETRY_MS, () => {
      for (const session of this.#unstored) this.#storeSoon(session)
      this.#unstored.clear()
    })
  }

  /** The session has lost its connection; its client may come back. */
  lost(session: Session): void {
    const { resumables, departures, failed } = this.#parts
    const snapshot = this.#end(session)
    departures?.()?.left(session, snapshot !== undefined)
    if (snapshot !== undefined) unawaited(resumables.keep(snapshot), failed)
    else if (session.resumable) unawaited(resumables.connected?.delete(session.sid), failed)
  }

  /** All connections are closed, or about to be. */
  loseAll(): void {
    for (const session of this.#bySid.values()) this.lost(session)
  }

  /**
   * Resolves once the commands of the session that this caller may resume have their answers, or have waited for too long;
   * `undefined` if none waits. An action that runs may change the states from which the next session goes on.
   */
  settled(sid: string, caller: Identity): Promise<void> | undefined {
    const session = this.#bySid.get(sid)
    return session?.resumable && isTheSame(caller, session) ? session.settled(PATIENCE_MS) : undefined
  }

  /** Removes and returns the lost session; `undefined` if it is not the caller's. */
  resume(sid: string, caller: Identity): Soon<Snapshot | undefined> {
    const { resumables } = this.#parts
    if (resumables.connected !== undefined) return this.#takeOver(sid, caller)
    // A client often notices a dead connection before we do: then we end the old session here.
    const session = this.#bySid.get(sid)
    if (!session?.resumable) return resumables.take(sid, caller)
    return isTheSame(caller, session) ? this.#endOld(session) : undefined
  }

  /** The store decides which of several nodes may have the session. */
  async #takeOver(sid: string, caller: Identity): Promise<Snapshot | undefined> {
    const { resumables, signal, failed } = this.#parts
    try {
      const snapshot = await resumables.take(sid, caller)
      if (snapshot === undefined) return undefined
      const session = this.#bySid.get(sid)
      if (session !== undefined) return this.#endOld(session)
      unawaited(signal({ takenOver: sid }), failed)
      return snapshot
    } catch (error) {
      // A client whose session is not restored subscribes anew, and misses nothing.
      if (error instanceof BrokerUnavailable) return undefined
      throw error
    }
  }

  #endOld(session: Session): Snapshot | undefined {
    if (session.ended) return undefined
    if (session.app !== undefined) session.app.isSettled = true
    const snapshot = this.#end(session)
    session.connection.close('resumed_elsewhere')
    return snapshot
  }

  /** Tells the sessions that listen to these streams, or all, that they may have missed messages. */
  gap(streams: readonly string[] | 'all'): void {
    const names = streams === 'all' ? undefined : new Set(streams)
    for (const session of this.#bySid.values()) session.gap(names)
  }

  /** Applies a signal. Returns how many sessions it ended. */
  signalled(signal: Signal): number {
    if ('takenOver' in signal) {
      const session = this.#bySid.get(signal.takenOver)
      if (session !== undefined) this.#endOld(session)
      return 0
    }
    return 'sid' in signal
      ? this.#disconnectOne(signal.sid, signal.reconnect)
      : this.#disconnect(signal.identity, signal.reconnect)
  }

  /** Ends all sessions of the identity (AnyCable ends one). */
  #disconnect(identity: string, reconnect: boolean): number {
    this.#parts.departures?.()?.forget(identity)
    const same = [...each(this.#byIdentity.get(identity))].filter(({ ended }) => !ended)
    for (const session of same) session.disconnect('remote', reconnect)
    return same.length + this.#parts.arrivals.disconnect(identity, reconnect)
  }

  #disconnectOne(sid: string, reconnect: boolean): number {
    const session = this.#bySid.get(sid)
    if (session === undefined || session.ended) return this.#parts.arrivals.disconnectOne(sid, reconnect)
    session.disconnect('remote', reconnect)
    return 1
  }

  /** Tells up to `most` clients that the cable stops; returns how many remain. */
  stopSome(most: number): number {
    most -= this.#parts.arrivals.stopSome(most)
    let left = this.#parts.arrivals.count
    for (const session of this.#bySid.values()) {
      if (session.ended) continue
      if (most-- > 0) session.disconnect('server_restart')
      else left++
    }
    return left
  }

  #end(session: Session): Snapshot | undefined {
    this.#bySid.delete(session.sid)
    const same = withoutOne(this.#byIdentity.get(session.identity), session)
    if (same === undefined) this.#byIdentity.delete(session.identity)
    else this.#byIdentity.set(session.identity, same)
    const left = session.end()
    return session.resumable ? left : undefined
  }
}
