/**
 * Sessions whose connection was lost, for as long as their client may come back.
 *
 * A sid is a credential only together with a token of the same identity, and only once: what was resumed, or
 * disconnected on purpose, restores nothing.
 */
import type { Position } from './history/history.ts'

export interface Snapshot {
  readonly identity: string
  /** Whether the identity is only the sid it had (--noauth). */
  readonly anonymous: boolean
  readonly sids: readonly string[]
  readonly identifiers: readonly string[]
  /** What the client may have missed came after this. */
  readonly position: Position | undefined
}

interface Kept {
  readonly snapshot: Snapshot
  readonly until: number
}

export class Resumables {
  readonly #kept = new Map<string, Kept>()
  readonly #ttlMs: number
  readonly #max: number
  readonly #monotonic: () => number

  constructor({ ttlSeconds, max, monotonic }: { ttlSeconds: number; max: number; monotonic: () => number }) {
    this.#ttlMs = ttlSeconds * 1000
    this.#max = max
    this.#monotonic = monotonic
  }

  get size(): number {
    return this.#kept.size
  }

  keep(snapshot: Snapshot): void {
    if (this.#ttlMs === 0) return
    this.#kept.set(snapshot.sids[0]!, { snapshot, until: this.#monotonic() + this.#ttlMs })
    // Insertion order is age: under a flood of connections the oldest gives way, and its client subscribes anew.
    if (this.#kept.size > this.#max) for (const sid of this.#kept.keys()) return void this.#kept.delete(sid)
  }

  /** The session of that sid, which is spent with it; `undefined` unless it is the same somebody's. */
  take(sid: string, isTheSame: (snapshot: Snapshot) => boolean): Snapshot | undefined {
    const kept = this.#kept.get(sid)
    if (kept === undefined || kept.until < this.#monotonic() || !isTheSame(kept.snapshot)) return undefined
    this.#kept.delete(sid)
    return kept.snapshot
  }

  /** Forgets the sessions of an identity that was disconnected on purpose. */
  forget(identity: string): void {
    for (const [sid, { snapshot }] of this.#kept) if (snapshot.identity === identity) this.#kept.delete(sid)
  }

  expire(): void {
    const now = this.#monotonic()
    for (const [sid, { until }] of this.#kept) {
      if (until >= now) return
      this.#kept.delete(sid)
    }
  }
}
