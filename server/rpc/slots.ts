/**
 * Slots: how many calls run at once; further ones wait, in their order, up to a number.
 */
export class Slots {
  readonly #most: number
  readonly #mostWaiting: number
  #taken = 0
  readonly #waiting = new Set<() => void>()

  constructor(most: number, mostWaiting: number) {
    this.#most = most
    this.#mostWaiting = mostWaiting
  }

  get isFull(): boolean {
    return this.#taken >= this.#most && this.#waiting.size >= this.#mostWaiting
  }

  /** Resolves once a slot is free, and takes it. Rejects with the reason of `signal` when that is aborted. */
  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#taken < this.#most) {
      this.#taken++
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const give = () => {
      signal.removeEventListener('abort', leave)
      resolve()
    }
    const leave = () => {
      this.#waiting.delete(give)
      reject(signal.reason)
    }
    this.#waiting.add(give)
    signal.addEventListener('abort', leave, { once: true })
    await promise
  }

  /** Gives a slot to the next that waits. */
  free(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#taken--
    else {
      this.#waiting.delete(next)
      next()
    }
  }
}
