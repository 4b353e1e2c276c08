/**
 * Two clocks, both in ms. An operator, or NTP, may set the wall clock forward or back at any moment. So the cable reads it
 * only for dates that clients and backends also know (`exp`, `since`, a ping's time), and measures every duration by the
 * monotonic clock, which cannot be set.
 */

export interface Clocks {
  /** Unix time in ms. */
  readonly wall: () => number
  /** Milliseconds since a fixed moment. Never goes back. */
  readonly monotonic: () => number
}

/** Calls `then` every so many ms. Returns a function that ends that. */
export type Every = (ms: number, then: () => void) => () => void

/** By a timer that does not keep the process alive. */
export const repeat: Every = (ms, then) => {
  const timer = setInterval(then, ms).unref()
  return () => clearInterval(timer)
}

export interface AtTime extends Pick<Clocks, 'wall'> {
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
}

/** How often we read the wall clock again, in case it was set. */
const RECHECK_MS = 60_000

/**
 * Calls `then` when the wall clock reads `seconds` (Unix time); at most a minute late if the clock was set forward.
 * Returns a function that cancels the call.
 */
export function atTime(seconds: number, then: () => void, { wall, later }: AtTime): () => void {
  let cancel: () => void
  const look = () => {
    const left = seconds * 1000 - wall()
    cancel = later(Math.min(Math.max(0, left), RECHECK_MS), left > 0 ? look : then)
  }
  look()
  return () => cancel()
}
