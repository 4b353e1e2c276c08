/**
 * The sessions of all workers, in the primary: the connected ones by their sids, and the lost ones.
 *
 *   welcomed ─▶ connected ─▶ lost ─▶ resumed, or expired
 *                        ╰▶ resumed on another worker
 *
 * A worker may die at any moment, so we have the state of its sessions, a few ms old.
 */
import { isTheSame, type Owner } from '../session/identity.ts'
import type { MemoryResumables } from '../session/memory-resumables.ts'
import type { Snapshot } from '../session/resumables.ts'

export class SharedSessions {
  readonly #lost: MemoryResumables
  readonly #connected = new Map<string, { readonly home: object; readonly snapshot: Snapshot }>()

  constructor(lost: MemoryResumables) {
    this.#lost = lost
  }

  get connected(): number {
    return this.#connected.size
  }

  /** A client was welcomed; `home` is its worker. */
  add(home: object, snapshot: Snapshot): void {
    this.#connected.set(snapshot.sids[0]!, { home, snapshot })
  }

  /** Its state is another. */
  update(home: object, snapshot: Snapshot): void {
    if (this.#isAt(home, snapshot)) this.add(home, snapshot)
  }

  /** It has lost its connection. A session that was taken meanwhile stays gone. */
  keep(home: object, snapshot: Snapshot): void {
    if (!this.#isAt(home, snapshot)) return
    this.#connected.delete(snapshot.sids[0]!)
    this.#lost.keep(snapshot)
  }

  #isAt(home: object, { sids }: Snapshot): boolean {
    return this.#connected.get(sids[0]!)?.home === home
  }

  /** It ended on purpose. */
  delete(sid: string): void {
    this.#connected.delete(sid)
  }

  take(sid: string, caller: Owner): Snapshot | undefined {
    const snapshot = this.#connected.get(sid)?.snapshot
    if (snapshot === undefined) return this.#lost.take(sid, caller)
    if (!isTheSame(caller, snapshot)) return undefined
    this.#connected.delete(sid)
    return snapshot
  }

  forget(identity: string): void {
    for (const [sid, { snapshot }] of this.#connected) if (snapshot.identity === identity) this.#connected.delete(sid)
    this.#lost.forget(identity)
  }

  /** The worker is dead: its sessions are lost. */
  left(home: object): void {
    for (const { home: own, snapshot } of this.#connected.values()) if (own === home) this.keep(home, snapshot)
  }
}
