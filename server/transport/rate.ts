/**
 * How fast one client may speak: a burst, then a steady rate.
 *
 * What comes too early is not refused: stock clients send a burst of subscribes after every reconnect, and must not be
 * punished for it. Reading stops instead, and TCP tells the client to wait. What had been read by then is a debt.
 */

export interface Rate {
  /** Commands at once. */
  readonly burst: number
  readonly perSecond: number
}

/** Takes one command; returns the ms for which nothing more should be read, 0 for none. `now` is any clock in ms. */
export function createBucket({ burst, perSecond }: Rate, now: () => number): () => number {
  let tokens = burst
  let filled = now()
  return () => {
    const time = now()
    tokens = Math.min(burst, tokens + ((time - filled) / 1000) * perSecond) - 1
    filled = time
    return tokens >= 0 ? 0 : Math.ceil((-tokens / perSecond) * 1000)
  }
}
