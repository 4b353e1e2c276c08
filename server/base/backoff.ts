/** Pauses between attempts. */

/** Pause after the first failure, and the longest one, in ms. */
export type Pauses = readonly [first: number, longest: number]

/**
 * Returns the ms until the next attempt, twice as many after each failure. At random (`random`: from 0 to 1), so that a server
 * that comes back does not get everything at once. `failures`: those before this one.
 */
export const backoff = (failures: number, [first, longest]: Pauses, random: () => number): number =>
  Math.min(first * 2 ** failures, longest) * (0.5 + random() / 2)

/** Resolves after so many ms, or once `signal` is aborted. */
export function rest(
  ms: number,
  signal: AbortSignal,
  later: (ms: number, then: () => void) => () => void,
): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const end = () => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = later(ms, end)
    signal.addEventListener('abort', end)
  })
}
