/**
 * A circuit breaker: while hardly any attempt gets an answer, we make few, so that an application that starts again is not
 * met by all that waits for it.
 *
 *   closed ─▶ of 10 attempts in 10 s, or more, 80 % got no answer ─▶ open for 1 s ─▶ one attempt at a time ─▶ closed
 *
 * (The reference stays open for 5 s, and its clients notice.)
 */
const WINDOW_MS = 10_000
const LEAST = 10
const SHARE = 0.8
const OPEN_MS = 1_000

export class Breaker {
  readonly #monotonic: () => number
  /** When the window began, and its attempts. */
  #since = 0
  #attempts = 0
  #failures = 0
  /** `undefined`: closed. */
  #openUntil: number | undefined
  #isTrying = false

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Whether an attempt may be made now; if so, call {@link ended}. */
  begin(): boolean {
    if (this.#openUntil === undefined) return true
    if (this.#isTrying || this.#monotonic() < this.#openUntil) return false
    this.#isTrying = true
    return true
  }

  /** `isAnswered`: any answer counts, also one that refuses the call. `undefined`: the caller canceled it. */
  ended(isAnswered: boolean | undefined): void {
    const now = this.#monotonic()
    if (this.#openUntil !== undefined) {
      this.#isTrying = false
      if (isAnswered === undefined) return
      this.#openUntil = isAnswered ? undefined : now + OPEN_MS
      this.#begin(now)
      return
    }
    if (isAnswered === undefined) return
    if (now - this.#since > WINDOW_MS) this.#begin(now)
    this.#attempts++
    if (!isAnswered) this.#failures++
    if (this.#attempts >= LEAST && this.#failures >= SHARE * this.#attempts) this.#openUntil = now + OPEN_MS
  }

  #begin(now: number): void {
    this.#since = now
    this.#attempts = 0
    this.#failures = 0
  }
}
