/**
 * A wheel: each item in it has its turn once per interval, spread over slots of 100 ms.
 *
 * To ping ten thousand sessions at once would stall the cable every few seconds. So each session has its turns at the time
 * at which it came in the interval, and a slot holds only sessions that came in the same tenth of a second.
 */

import { guarded, type ReportFailure } from '../base/failure.ts'
import type { Slot } from '../session/session-listener.ts'

const SLOT_MS = 100

export class Wheel<T> {
  readonly #slots: Set<T>[]
  readonly #timer: NodeJS.Timeout
  #at = 0

  constructor(intervalMs: number, turn: (items: ReadonlySet<T>) => void, failed: ReportFailure) {
    this.#slots = Array.from({ length: Math.max(1, Math.round(intervalMs / SLOT_MS)) }, () => new Set())
    const next = () => {
      const slot = this.#slots[this.#at]!
      this.#at = (this.#at + 1) % this.#slots.length
      if (slot.size > 0) turn(slot)
    }
    this.#timer = setInterval(guarded(next, failed), intervalMs / this.#slots.length)
    this.#timer.unref()
  }

  /** Gives the item its turns, the first one interval from now, until the caller deletes it from the slot. */
  add(item: T): Slot<T> {
    const slot = this.#slots.at(this.#at - 1)!
    slot.add(item)
    return slot
  }

  get size(): number {
    return this.#slots.reduce((sum, slot) => sum + slot.size, 0)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
