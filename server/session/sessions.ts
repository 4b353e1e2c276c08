/**
 * The connected sessions, and the lost ones: by identity for remote disconnects, by sid for resuming.
 */

import { countOf, each, type Few, withOne, withoutOne } from '../base/few.ts'
import type { Signal } from '../broker.ts'
import type { EndingCode } from '../errors.ts'
import { type Identity, isTheSame } from './identity.ts'
import type { Resumables, Snapshot } from './resumables.ts'
import type { Session } from './session.ts'

export class Sessions {
  readonly #byIdentity = new Map<string, Few<Session>>()
  readonly #bySid = new Map<string, Session>()
  readonly #resumables: Resumables

  constructor(resumables: Resumables) {
    this.#resumables = resumables
  }

  get count(): number {
    return this.#bySid.size
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
  resume(sid: string, who: Identity): Snapshot | undefined {
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
      ? this.disconnectOne(signal.sid, 'remote', signal.reconnect)
      : this.disconnect(signal.identity, 'remote', signal.reconnect)
  }

  /** Ends all sessions of the identity (AnyCable ends one), and forgets its lost ones. Returns how many it ended. */
  disconnect(identity: string, code: EndingCode, reconnect: boolean): number {
    this.#resumables.forget(identity)
    const same = [...each(this.#byIdentity.get(identity))].filter(({ ended }) => !ended)
    for (const session of same) session.disconnect(code, reconnect)
    return same.length
  }

  /** Ends one session. Returns how many it ended. */
  disconnectOne(sid: string, code: EndingCode, reconnect: boolean): number {
    const session = this.#bySid.get(sid)
    if (session === undefined || session.ended) return 0
    session.disconnect(code, reconnect)
    return 1
  }

  /** Disconnects up to `most` live sessions; returns how many remain. */
  disconnectSome(code: EndingCode, most: number): number {
    let left = 0
    for (const session of this.#bySid.values()) {
      if (session.ended) continue
      if (most-- > 0) session.disconnect(code)
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
