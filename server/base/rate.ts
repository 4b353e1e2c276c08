/**
 * How fast one client may send: a burst, then a steady rate.
 *
 * A command may cost more tokens than there are. It passes and leaves a debt, and later commands wait until the debt is
 * paid. So no command is too expensive to pass.
 */

export interface Rate {
  /** Commands at once. */
  readonly burst: number
  readonly perSecond: number
}

export class Bucket {
  #tokens = Number.POSITIVE_INFINITY
  #filled = 0

  /** Returns the ms until a token may be spent, 0 if one may be now. `now` is in ms, of a clock that never goes back. */
  wait({ burst, perSecond }: Rate, now: number): number {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filled) / 1000) * perSecond)
    this.#filled = now
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / perSecond) * 1000)
  }

  spend(tokens: number): void {
    this.#tokens -= tokens
  }
}
