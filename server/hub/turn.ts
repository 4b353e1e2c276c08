/**
 * One turn of the event loop: what is sent in it is held back to its end, so that a socket is written to once, however
 * much it is sent. An idle cable sends at once: its turn is over as soon as the request that woke it has been handled.
 */
import type { Duplex } from 'node:stream'
import { type ReportFailure, tryEach } from '../base/failure.ts'

export class Turn {
  /** Of turns that ended before. A turn in which nothing but pings is written may share the number of the next. */
  number = 0
  /** Reports the exception of a task; the others still run. */
  readonly failed: ReportFailure
  readonly #atEnd: (then: () => void) => void
  readonly #last: (() => void)[] = []
  readonly #held: Duplex[] = []
  #first: (() => void) | undefined
  #ends = false

  /** `atEnd` calls a function when the event loop has handled what woke it: `setImmediate`. */
  constructor(failed: ReportFailure, atEnd: (then: () => void) => void) {
    this.failed = failed
    this.#atEnd = atEnd
  }

  /** Before anything else is written, and at the end at the latest. There is one such task. */
  first(task: () => void): void {
    this.#first = task
    this.#schedule()
  }

  /** Does it now, if it waits: something else is about to be written. */
  settle(): void {
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    tryEach([first], run, this.failed)
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
    this.#atEnd(this.#end)
  }

  readonly #end = () => {
    this.#ends = false
    this.settle()
    tryEach(this.#held.splice(0), uncork, this.failed)
    this.number++
    tryEach(this.#last.splice(0), run, this.failed)
  }
}

const uncork = (socket: Duplex): void => socket.uncork()
const run = (task: () => void): void => task()
