/**
 * Who is connected, by identity: for remote disconnects, the shutdown, and the count.
 */
import type { EndingCode } from './errors.ts'
import type { Session } from './session.ts'

export class Sessions {
  readonly #byIdentity = new Map<string, Set<Session>>()
  #count = 0

  get count(): number {
    return this.#count
  }

  get identities(): number {
    return this.#byIdentity.size
  }

  add(session: Session): void {
    const same = this.#byIdentity.get(session.identity)
    if (same === undefined) this.#byIdentity.set(session.identity, new Set([session]))
    else same.add(session)
    this.#count++
  }

  remove(session: Session): void {
    const same = this.#byIdentity.get(session.identity)
    if (!same?.delete(session)) return
    if (same.size === 0) this.#byIdentity.delete(session.identity)
    this.#count--
  }

  /** All sessions of the identity (AnyCable hits one of them). Returns how many there were. */
  disconnect(identity: string, code: EndingCode, reconnect: boolean): number {
    const same = [...(this.#byIdentity.get(identity) ?? [])]
    for (const session of same) session.disconnect(code, reconnect)
    return same.length
  }

  disconnectAll(code: EndingCode): void {
    for (const same of this.#byIdentity.values()) for (const session of same) session.disconnect(code)
  }
}
