/**
 * The messages of one client, on their way to its session, in order and at its rate.
 *
 * We do not refuse a command beyond the rate, because stock clients send a burst of subscribes after every reconnect. It
 * waits here, and we pause reading, so that TCP makes the client wait. Only bytes that we had already read wait: 64 KiB at
 * most. They wait even if the client has closed the connection after them, but then not for long.
 */

import { Bucket, type Rate } from '../base/rate.ts'
import type { Outcome } from '../hub/connection.ts'

export interface InboxOwner {
  readonly rate: Rate
  /** Hands a message to the session. `undefined`: it is not text. */
  handle: (text: string | undefined) => Outcome
  pause: () => void
  /** Counts that the client has to wait, because it sends faster than its rate. */
  delayed: () => void
  resume: () => void
  /** The client sends messages that are not commands faster than {@link MALFORMED}. */
  flooded: () => void
  /** Counts a message that we dropped: it would have waited too long after the end of its connection. */
  dropped: () => void
  /** Called once: after `end`, when no message waits. */
  ended: () => void
}

/** A command counts once for each KiB that it starts. */
const UNIT = 1024

/** How long messages may wait after their connection is gone. */
const MAX_WAIT_MS = 5_000

/** Beyond this rate we disconnect the client instead of parsing more. */
const MALFORMED: Rate = { burst: 100, perSecond: 100 }

// There are very many of these.
export class Inbox extends Bucket {
  readonly #owner: InboxOwner
  /** `undefined`: nothing waits. */
  #waiting: (string | undefined)[] | undefined
  /** `undefined` while messages wait for {@link release}. */
  #timer: NodeJS.Timeout | undefined
  #isHeld = false
  #malformed: Bucket | undefined
  /** When the last message must have been handled. `undefined`: the connection is open. */
  #deadline: number | undefined

  constructor(owner: InboxOwner) {
    super()
    this.#owner = owner
  }

  /** Lets all messages wait until {@link release}, however long. Reading goes on until the first one, so that we notice a close. */
  hold(): void {
    this.#isHeld = true
    this.#waiting ??= []
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Handles the messages that waited, and those to come. */
  release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#work()
  }

  /** `bytes` is the size of the message as the client sent it. */
  take(text: string | undefined, bytes: number): void {
    const now = performance.now()
    if (this.#waits(now)) this.#waiting!.push(text)
    else this.#handle(text, bytes, now)
  }

  /** Counts a control frame. It does not wait itself, but later messages wait until the rate has covered it. */
  count(): void {
    this.#waits(performance.now())
    this.spend(1)
  }

  /** Whether a message that comes now has to wait. */
  #waits(now: number): boolean {
    if (this.#waiting !== undefined) {
      if (this.#timer === undefined) this.#owner.pause()
      return true
    }
    const ms = this.wait(this.#owner.rate, now)
    if (ms === 0) return false
    this.#waiting = []
    this.#owner.delayed()
    this.#owner.pause()
    this.#sleep(ms)
    return true
  }

  /** The connection is gone. Handles waiting messages at the client's rate, but drops those that would wait too long. */
  end(): void {
    const now = performance.now()
    this.#deadline = now + MAX_WAIT_MS
    if (this.#waiting === undefined) return this.#owner.ended()
    if (this.#isHeld) return this.#drop() // (there is no session, or it has enough messages)
    clearTimeout(this.#timer)
    this.#sleep(this.wait(this.#owner.rate, now))
  }

  /** After `end`: drops the messages that still wait. */
  stop(): void {
    if (this.#waiting === undefined) return
    clearTimeout(this.#timer)
    this.#waiting = undefined
    this.#owner.ended()
  }

  #sleep(ms: number): void {
    const isTooLong = this.#deadline !== undefined && performance.now() + ms > this.#deadline
    if (!isTooLong) {
      this.#timer = setTimeout(() => this.#work(), ms)
      return
    }
    this.#drop()
  }

  #drop(): void {
    for (const _ of this.#waiting!) this.#owner.dropped()
    this.stop()
  }

  #work(): void {
    while (this.#waiting !== undefined && !this.#isHeld) {
      const now = performance.now()
      const ms = this.wait(this.#owner.rate, now)
      if (ms > 0) return this.#sleep(ms)
      if (this.#waiting.length === 0) break
      const text = this.#waiting.shift()
      this.#handle(text, text === undefined ? 0 : Buffer.byteLength(text), now)
    }
    if (this.#waiting === undefined || this.#isHeld) return // (a message made the session stop the inbox, or hold it)
    this.#waiting = undefined
    if (this.#deadline === undefined) this.#owner.resume()
    else this.#owner.ended()
  }

  #handle(text: string | undefined, bytes: number, now: number): void {
    const outcome = this.#owner.handle(text)
    if (outcome !== 'free') this.spend(Math.max(1, Math.ceil(bytes / UNIT)))
    if (outcome !== 'malformed') return
    this.#malformed ??= new Bucket()
    if (this.#malformed.wait(MALFORMED, now) === 0) this.#malformed.spend(1)
    else this.#owner.flooded()
  }
}
