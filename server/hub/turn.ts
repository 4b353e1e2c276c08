/**
 * One turn of the event loop: it holds back all writes until its end, so that we write to each socket once. An idle cable
 * sends at once: its turn is over as soon as it has handled the request that woke it.
 */
import type { Duplex } from 'node:stream'
import { type ReportFailure, tryEach } from '../base/failure.ts'

export class Turn {
  /** Counts the turns that have ended. A turn that writes only pings may share the number of the next. */
  number = 0
  /** Reports the exception of a task; the others still run. */
  readonly failed: ReportFailure
  readonly #atEnd: (then: () => void) => void
  readonly #last: (() => void)[] = []
  readonly #held: Duplex[] = []
  #first: (() => void) | undefined
  #ends = false

  /** `atEnd` calls a function when the event loop has handled its present events: `setImmediate`. */
  constructor(failed: ReportFailure, atEnd: (then: () => void) => void) {
    this.failed = failed
    this.#atEnd = atEnd
  }

  /** Runs the task before any other write, and at the end at the latest. There is one such task. */
  first(task: () => void): void {
    this.#first = task
    this.#schedule()
  }

  /** Runs the first task now, if it waits, because the caller is about to write. */
  settle(): void {
    const first = this.#first
    if (first === undefined) return
    this.#first = undefined
    tryEach([first], run, this.failed)
  }

  /** Runs the task after all writes. */
  after(task: () => void): void {
    this.#last.push(task)
    this.#schedule()
  }

  /** Holds back writes to the socket until the end. */
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
