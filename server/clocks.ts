/**
 * Two clocks, both in ms. An operator, or NTP, may set the wall clock at any moment, back as well. So the cable reads it
 * only for dates that clients and backends also know (`exp`, `since`, a ping's time), and measures every duration by the
 * monotonic clock, which nobody sets.
 */

export interface Clocks {
  /** Unix time in ms. */
  readonly wall: () => number
  /** Milliseconds since some fixed moment. It never goes back, and nobody can set it. */
  readonly monotonic: () => number
}

export interface AtTime extends Pick<Clocks, 'wall'> {
  /** Calls back after so many ms, unless cancelled by what it returns. */
  later: (ms: number, then: () => void) => () => void
}

/** How long a timer trusts the wall clock. */
const TRUST_MS = 60_000

/**
 * Calls back at a time of the wall clock, Unix seconds, unless cancelled by what it returns; at most a minute late when
 * the clock was set forward.
 */
export function atTime(seconds: number, then: () => void, { wall, later }: AtTime): () => void {
  let cancel: () => void
  const look = () => {
    const left = seconds * 1000 - wall()
    cancel = later(Math.min(Math.max(0, left), TRUST_MS), left > 0 ? look : then)
  }
  look()
  return () => cancel()
}
