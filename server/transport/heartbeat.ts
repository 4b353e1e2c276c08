/**
 * Pings: one frame for everybody whose turn it is.
 *
 * The interval is cut into slots of 100 ms and each session lives in one, so that ten thousand pings are not one stall
 * every three seconds. Clients give up after two missed pings, so an interval is kept exactly; only the first ping
 * comes early.
 */
import { ping } from '../protocol/action-cable.ts'

type Send = (frame: Buffer) => void

export class Heartbeat {
  readonly #slots: Set<Send>[]
  readonly #timer: NodeJS.Timeout
  #at = 0

  /** `now` is Unix time in ms. */
  constructor(intervalMs: number, now: () => number = Date.now) {
    this.#slots = Array.from({ length: Math.max(1, Math.round(intervalMs / 100)) }, () => new Set())
    this.#timer = setInterval(() => this.#beat(now()), intervalMs / this.#slots.length)
    this.#timer.unref()
  }

  /** Pings until the returned function is called. `where` in [0, 1) picks the slot. */
  add(send: Send, where: number = Math.random()): () => void {
    const slot = this.#slots[Math.floor(where * this.#slots.length)]!
    slot.add(send)
    return () => slot.delete(send)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(now: number): void {
    const slot = this.#slots[this.#at]!
    this.#at = (this.#at + 1) % this.#slots.length
    if (slot.size === 0) return
    const frame = ping(Math.floor(now / 1000))
    for (const send of slot) send(frame)
  }
}
