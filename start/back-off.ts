/** How long to wait before the next try. Pure: the caller has the clock. */
export interface BackOff {
  /** Milliseconds to wait, after a run of that many milliseconds. */
  after: (ranMs: number) => number
}

const FIRST_MS = 250
const LONGEST_MS = 10_000

/** Doubles from a quarter of a second to ten, and starts over after a run of ten seconds. */
export function createBackOff(): BackOff {
  let failures = 0
  return {
    after: ranMs => {
      if (ranMs >= LONGEST_MS) failures = 0
      return Math.min(LONGEST_MS, FIRST_MS * 2 ** failures++)
    },
  }
}
