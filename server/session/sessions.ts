/**
 * The connected sessions, and the lost ones: by identity for remote disconnects, by sid for resuming.
 */

import { countOf, each, type Few, withOne, withoutOne } from '../base/few.ts'
import type { Soon } from '../base/soon.ts'
import type { Signal } from '../broker.ts'
import type { Arrivals } from './arrivals.ts'
import { type Identity, isTheSame } from './identity.ts'
import type { Resumables, Snapshot } from './resumables.ts'
import type { Session } from './session.ts'

export class Sessions {
  readonly #byIdentity = new Map<string, Few<Session>>()
  readonly #bySid = new Map<string, Session>()
  readonly #resumables: Resumables
  readonly #arrivals: Arrivals

  constructor(resumables: Resumables, arrivals: Arrivals) {
    this.#resumables = resumables
    this.#arrivals = arrivals
  }

  get count(): number {
    return this.#bySid.size
  }

  /** Sessions, and clients that wait to become one. */
  get clients(): number {
    return this.count + this.#arrivals.count
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

  /** The session has lost its connection; its client may come back. */
  lost(session: Session): void {
    const snapshot = this.#end(session)
    if (snapshot !== undefined) this.#resumables.keep(snapshot)
  }

  /** Removes and returns the lost session; `undefined` if it is not the caller's. */
  resume(sid: string, who: Identity): Soon<Snapshot | undefined> {
    // A client often notices a dead connection before we do: then we end the old session here.
    const session = this.#bySid.get(sid)
    if (!session?.resumable) return this.#resumables.take(sid, snapshot => isTheSame(who, snapshot))
    if (!isTheSame(who, session)) return undefined
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
    return 'sid' in signal
      ? this.#disconnectOne(signal.sid, signal.reconnect)
      : this.#disconnect(signal.identity, signal.reconnect)
  }

  /** Ends all sessions of the identity (AnyCable ends one), and forgets its lost ones. */
  #disconnect(identity: string, reconnect: boolean): number {
    this.#resumables.forget(identity)
    const same = [...each(this.#byIdentity.get(identity))].filter(({ ended }) => !ended)
    for (const session of same) session.disconnect('remote', reconnect)
    return same.length + this.#arrivals.disconnect(identity, reconnect)
  }

  #disconnectOne(sid: string, reconnect: boolean): number {
    const session = this.#bySid.get(sid)
    if (session === undefined || session.ended) return this.#arrivals.disconnectOne(sid, reconnect)
    session.disconnect('remote', reconnect)
    return 1
  }

  /** Tells up to `most` clients that the cable stops; returns how many remain. */
  stopSome(most: number): number {
    most -= this.#arrivals.stopSome(most)
    let left = this.#arrivals.count
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
