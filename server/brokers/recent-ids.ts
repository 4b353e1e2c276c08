/**
 * The ids of recent publications (`meta.id`): after a time-out a backend sends the same id again, and the cable must not
 * publish it twice.
 *
 *   oldest ─▶ … ─▶ newest        in the order of arrival, for age and number
 *
 * Bounded by age and number. The parser bounds the length of an id, so the number bounds the bytes as well.
 */

export interface RecentIdsSettings {
  ttlSeconds: number
  most?: number
  /** Clock for the age of ids, in ms. */
  monotonic: () => number
}

export interface RecentIds {
  has: (id: string) => boolean
  /** Requires a new `id`. */
  add: (id: string) => void
  /** Drops ids that are too old; call it about every second. */
  expire: () => void
  readonly count: number
  /** Counts ids that we dropped early to make room for newer ones. */
  readonly evicted: number
}

interface Kept {
  readonly id: string
  /** Seconds of the monotonic clock. */
  readonly at: number
  newer: Kept | undefined
}

/** At 5,000 publications a second these are the last 20 s: longer than a helper retries. At most 300 bytes each: 30 MB. */
const MOST = 100_000

export function createRecentIds({ ttlSeconds, most = MOST, monotonic }: RecentIdsSettings): RecentIds {
  const kept = new Map<string, Kept>()
  let oldest: Kept | undefined
  let newest: Kept | undefined
  let evicted = 0
  const seconds = () => Math.floor(monotonic() / 1000)

  function drop({ id, newer }: Kept): void {
    kept.delete(id)
    oldest = newer
    if (newer === undefined) newest = undefined
  }

  return {
    has: id => kept.has(id),
    add(id) {
      const added: Kept = { id, at: seconds(), newer: undefined }
      kept.set(id, added)
      if (newest !== undefined) newest.newer = added
      newest = added
      oldest ??= added
      if (kept.size <= most) return
      evicted++
      drop(oldest)
    },
    expire() {
      const time = seconds()
      while (oldest !== undefined && oldest.at < time - ttlSeconds) drop(oldest)
    },
    get count() {
      return kept.size
    },
    get evicted() {
      return evicted
    },
  }
}
