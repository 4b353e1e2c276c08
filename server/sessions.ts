/**
 * Who is connected, and who may come back: by identity for remote disconnects, by sid for resuming.
 */
import { type Identity, isTheSame } from './admission.ts'
import type { EndingCode } from './errors.ts'
import type { Resumables, Snapshot } from './resume.ts'
import type { Session } from './session.ts'

/** Makes what is kept of a session out of what it leaves; `undefined` for one that cannot be resumed. */
type Keep = ((left: Omit<Snapshot, 'anonymous'>) => Snapshot) | undefined

export class Sessions {
  readonly #byIdentity = new Map<string, Set<Session>>()
  readonly #bySid = new Map<string, { readonly session: Session; readonly keep: Keep }>()
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
    for (const { session } of this.#bySid.values()) bytes += session.pending
    return bytes
  }

  countOf(identity: string): number {
    return this.#byIdentity.get(identity)?.size ?? 0
  }

  add(session: Session, keep: Keep): void {
    const same = this.#byIdentity.get(session.identity)
    if (same === undefined) this.#byIdentity.set(session.identity, new Set([session]))
    else same.add(session)
    this.#bySid.set(session.sid, { session, keep })
  }

  /** Its connection is gone; it may come back. */
  lost(session: Session): void {
    const snapshot = this.#end(session)
    if (snapshot !== undefined) this.#resumables.keep(snapshot)
  }

  /** What somebody left behind, which is spent with it. */
  resume(sid: string, who: Identity): Snapshot | undefined {
    // A client often notices a dead connection before we do: then the session is still here, and gives way.
    const { session, keep } = this.#bySid.get(sid) ?? {}
    if (session === undefined || keep === undefined)
      return this.#resumables.take(sid, snapshot => isTheSame(who, snapshot))
    if (!isTheSame(who, keep({ identity: session.identity, sids: [], identifiers: [], position: undefined })))
      return undefined
    const snapshot = this.#end(session)
    session.close('resumed_elsewhere')
    return snapshot
  }

  /** All sessions of the identity (AnyCable hits one of them), and those that were lost. Returns how many there were. */
  disconnect(identity: string, code: EndingCode, reconnect: boolean): number {
    this.#resumables.forget(identity)
    const same = [...(this.#byIdentity.get(identity) ?? [])].filter(({ ended }) => !ended)
    for (const session of same) session.disconnect(code, reconnect)
    return same.length
  }

  /** One session. */
  disconnectOne(sid: string, code: EndingCode, reconnect: boolean): number {
    const { session } = this.#bySid.get(sid) ?? {}
    if (session === undefined || session.ended) return 0
    session.disconnect(code, reconnect)
    return 1
  }

  /** Up to `most` sessions that were not yet; returns how many such are left. */
  disconnectSome(code: EndingCode, most: number): number {
    let left = 0
    for (const { session } of this.#bySid.values()) {
      if (session.ended) continue
      if (most-- > 0) session.disconnect(code)
      else left++
    }
    return left
  }

  #end(session: Session): Snapshot | undefined {
    const { keep } = this.#bySid.get(session.sid) ?? {}
    this.#bySid.delete(session.sid)
    const same = this.#byIdentity.get(session.identity)
    same?.delete(session)
    if (same?.size === 0) this.#byIdentity.delete(session.identity)
    const left = session.end()
    return left === undefined || keep === undefined ? undefined : keep(left)
  }
}
