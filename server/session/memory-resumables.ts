/**
 * Lost sessions in memory, bounded in number and in bytes, for as long as their clients may come back.
 */

import { sizeOf } from '../base/size.ts'
import { isTheSame, type Owner } from './identity.ts'
import type { Resumables, Snapshot } from './resumables.ts'

export interface ResumableSettings {
  ttlSeconds: number
  /** Sessions in all. */
  max: number
  /** Bytes in all, with overhead. */
  maxBytes: number
  monotonic: () => number
}

interface Kept {
  readonly snapshot: Snapshot
  readonly bytes: number
  readonly until: number
}

/** Bytes that a lost session takes beside its texts, and a text beside its characters: upper estimates. */
const OVERHEAD = 500
const OVERHEAD_OF_TEXT = 32

export class MemoryResumables implements Resumables {
  readonly #kept = new Map<string, Kept>()
  readonly #ttlMs: number
  readonly #max: number
  readonly #maxBytes: number
  readonly #monotonic: () => number
  #bytes = 0
  #evicted = 0

  constructor({ ttlSeconds, max, maxBytes, monotonic }: ResumableSettings) {
    this.#ttlMs = ttlSeconds * 1000
    this.#max = max
    this.#maxBytes = maxBytes
    this.#monotonic = monotonic
  }

  get size(): number {
    return this.#kept.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Counts sessions that we dropped for newer ones because of `max` or `maxBytes`. */
  get evicted(): number {
    return this.#evicted
  }

  keep(snapshot: Snapshot): void {
    if (this.#ttlMs === 0) return
    const bytes = bytesOf(snapshot)
    this.#kept.set(snapshot.sids[0]!, { snapshot, bytes, until: this.#monotonic() + this.#ttlMs })
    this.#bytes += bytes
    // Insertion order is age: a flood of connections evicts the oldest session, and its client subscribes anew.
    for (const sid of this.#kept.keys()) {
      if (this.#kept.size <= this.#max && this.#bytes <= this.#maxBytes) return
      this.#evicted++
      this.#drop(sid)
    }
  }

  take(sid: string, caller: Owner): Snapshot | undefined {
    const kept = this.#kept.get(sid)
    if (kept === undefined || kept.until < this.#monotonic() || !isTheSame(caller, kept.snapshot)) return undefined
    this.#drop(sid)
    return kept.snapshot
  }

  forget(identity: string): void {
    for (const [sid, { snapshot }] of this.#kept) if (snapshot.identity === identity) this.#drop(sid)
  }

  expire(): void {
    const now = this.#monotonic()
    for (const [sid, { until }] of this.#kept) {
      if (until >= now) return
      this.#drop(sid)
    }
  }

  #drop(sid: string): void {
    this.#bytes -= this.#kept.get(sid)?.bytes ?? 0
    this.#kept.delete(sid)
  }
}

function bytesOf({ identity, sids, identifiers, app }: Snapshot): number {
  let bytes = OVERHEAD + sizeOf(identity)
  for (const sid of sids) bytes += OVERHEAD_OF_TEXT + sid.length
  for (const identifier of identifiers) bytes += OVERHEAD_OF_TEXT + sizeOf(identifier)
  return app === undefined ? bytes : bytes + 2 * JSON.stringify(app).length
}

/** Settings, by their names. */
export interface LostSessionSettings {
  readonly broker: string
  readonly sessions_ttl: number
  readonly max_lost_sessions: number
  readonly max_lost_sessions_size: number
}

export const createResumables = (settings: LostSessionSettings, monotonic: () => number): MemoryResumables =>
  new MemoryResumables({
    ttlSeconds: settings.broker === 'none' ? 0 : settings.sessions_ttl,
    max: settings.max_lost_sessions,
    maxBytes: settings.max_lost_sessions_size,
    monotonic,
  })
