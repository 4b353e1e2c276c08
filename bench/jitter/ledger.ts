/**
 * What one client received of a stream whose messages are numbered from 1, and how long it took to catch up after its connection was
 * cut. Pure: the times, in ms, come from the caller.
 *
 *   cut ──── the client waits ────▶ opens ──── handshake, replay ────▶ it has all that was published before it opened
 *    └──────────────────────────── absence ─────────────────────────────┘
 *                                     └──────────── replay ─────────────┘
 */
export class Ledger {
  readonly #seen = new Set<number>()
  #highest = 0
  #cutAt: number | undefined
  #openedAt: number | undefined
  /** What was published between the cut and the new connection, and has not arrived. */
  readonly #missing = new Set<number>()
  doubled = 0
  /** Messages that came after a later one. */
  disordered = 0
  /** The time of each, for the reconnections after which the client had missed a message. */
  readonly replaysMs: number[] = []
  readonly absencesMs: number[] = []

  cut(at: number): void {
    this.#cutAt ??= at
    this.#openedAt = undefined
    this.#missing.clear()
  }

  /** The client opens a connection, and messages up to `newest` are published. */
  opens(at: number, newest: number): void {
    if (this.#openedAt !== undefined) return
    for (let number = this.#highest + 1; number <= newest; number++) this.#missing.add(number)
    if (this.#missing.size === 0) {
      this.#cutAt = undefined
      return
    }
    this.#openedAt = at
    // The server may have ended the connection.
    this.#cutAt ??= at
  }

  receives(number: number, at: number): void {
    if (this.#seen.has(number)) this.doubled++
    else if (number < this.#highest) this.disordered++
    this.#seen.add(number)
    this.#highest = Math.max(this.#highest, number)
    if (!this.#missing.delete(number) || this.#missing.size > 0) return
    this.replaysMs.push(at - this.#openedAt!)
    this.absencesMs.push(at - this.#cutAt!)
    this.#openedAt = undefined
    this.#cutAt = undefined
  }

  forgetTimes(): void {
    this.replaysMs.length = 0
    this.absencesMs.length = 0
  }

  /** How many of the messages up to `newest` never arrived. */
  lost(newest: number): number {
    return newest - this.#seen.size
  }
}
