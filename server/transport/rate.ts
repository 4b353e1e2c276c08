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

export class Bucket {
  #tokens = Number.POSITIVE_INFINITY
  #filled = 0

  /** Takes one command; returns the ms for which nothing more should be read, 0 for none. `now` is any clock in ms. */
  take({ burst, perSecond }: Rate, now: number): number {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filled) / 1000) * perSecond) - 1
    this.#filled = now
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / perSecond) * 1000)
  }
}
