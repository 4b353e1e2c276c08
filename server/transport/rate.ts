/**
 * How fast one client may send: a burst, then a steady rate.
 *
 * A command that costs more than is there is let through and leaves a debt, which the commands after it wait for. So no
 * command is too expensive to be ever sent.
 */

export interface Rate {
  /** Commands at once. */
  readonly burst: number
  readonly perSecond: number
}

export class Bucket {
  #tokens = Number.POSITIVE_INFINITY
  #filled = 0

  /** Returns the ms until something may be spent, 0 for now. `now` is any clock in ms that only rises. */
  wait({ burst, perSecond }: Rate, now: number): number {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filled) / 1000) * perSecond)
    this.#filled = now
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / perSecond) * 1000)
  }

  spend(tokens: number): void {
    this.#tokens -= tokens
  }
}
