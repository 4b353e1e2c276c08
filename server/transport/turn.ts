/**
 * One turn of the event loop: what is sent in it is held back to its end, so that a socket is written to once, however
 * much it is sent. An idle cable sends at once: its turn is over as soon as the request that woke it has been handled.
 */
import type { Duplex } from 'node:stream'

export class Turn {
  #tasks: (() => void)[] = []
  #last: (() => void)[] = []
  readonly #held: Duplex[] = []
  #ends = false

  /** At the end of the turn, before anything that is held is written. */
  defer(task: () => void): void {
    this.#tasks.push(task)
    this.#schedule()
  }

  /** When all is written. */
  after(task: () => void): void {
    this.#last.push(task)
    this.#schedule()
  }

  /** Holds back what is written to the socket from now on. */
  hold(socket: Duplex): void {
    if (socket.writableCorked > 0) return
    socket.cork()
    this.#held.push(socket)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#ends) return
    this.#ends = true
    setImmediate(this.#end)
  }

  readonly #end = () => {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task()
    this.#ends = false
    for (const socket of this.#held.splice(0)) socket.uncork()
    for (const task of this.#last.splice(0)) task()
  }
}
