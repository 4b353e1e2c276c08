/**
 * Who is connected, and who may come back: by identity for remote disconnects, by sid for resuming.
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

  /** Bytes that wait to be written, to all of them. */
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

  /** Its connection is gone; it may come back. */
  lost(session: Session): void {
    const snapshot = this.#end(session)
    if (snapshot !== undefined) this.#resumables.keep(snapshot)
  }

  /** What somebody left behind, which is spent with it. */
  resume(sid: string, who: Identity): Snapshot | undefined {
    // A client often notices a dead connection before we do: then the session is still here, and gives way.
    const session = this.#bySid.get(sid)
    if (!session?.resumable) return this.#resumables.take(sid, snapshot => isTheSame(who, snapshot))
    if (!isTheSame(who, session)) return undefined
    const snapshot = this.#end(session)
    session.connection.close('resumed_elsewhere')
    return snapshot
  }

  /** Tells the sessions that listen to these streams, or all, that messages may be missing. */
  gap(streams: readonly string[] | 'all'): void {
    const names = streams === 'all' ? undefined : new Set(streams)
    for (const session of this.#bySid.values()) session.gap(names)
  }

  /** Does what a signal says. Returns how many sessions it ended. */
  signalled(signal: Signal): number {
    return 'sid' in signal
      ? this.disconnectOne(signal.sid, 'remote', signal.reconnect)
      : this.disconnect(signal.identity, 'remote', signal.reconnect)
  }

  /** All sessions of the identity (AnyCable hits one of them), and those that were lost. Returns how many there were. */
  disconnect(identity: string, code: EndingCode, reconnect: boolean): number {
    this.#resumables.forget(identity)
    const same = [...each(this.#byIdentity.get(identity))].filter(({ ended }) => !ended)
    for (const session of same) session.disconnect(code, reconnect)
    return same.length
  }

  /** One session. */
  disconnectOne(sid: string, code: EndingCode, reconnect: boolean): number {
    const session = this.#bySid.get(sid)
    if (session === undefined || session.ended) return 0
    session.disconnect(code, reconnect)
    return 1
  }

  /** Up to `most` sessions that were not yet; returns how many such are left. */
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
