/**
 * The messages of one client, on their way to its session, in order and at its rate.
 *
 * We do not refuse a command beyond the rate, because stock clients send a burst of subscribes after every reconnect. It
 * waits here, and we pause reading, so that TCP makes the client wait. Only bytes that we had already read wait: 64 KiB at
 * most.
 */
import type { Outcome } from './connection.ts'
import { Bucket, type Rate } from './rate.ts'

export interface InboxOwner {
  readonly rate: Rate
  /** Hands a message to the session. `undefined`: it is not text. */
  handle: (text: string | undefined) => Outcome
  pause: () => void
  resume: () => void
  /** The client sends messages that are not commands faster than {@link MALFORMED}. */
  flooded: () => void
}

/** A command counts once for each KiB that it starts. */
const UNIT = 1024

/** Beyond this rate we disconnect the client instead of parsing more. */
const MALFORMED: Rate = { burst: 100, perSecond: 100 }

// There are very many of these.
export class Inbox extends Bucket {
  readonly #owner: InboxOwner
  /** `undefined`: nothing waits. */
  #waiting: (string | undefined)[] | undefined
  #timer: NodeJS.Timeout | undefined
  #malformed: Bucket | undefined

  constructor(owner: InboxOwner) {
    super()
    this.#owner = owner
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
    if (this.#waiting !== undefined) return true
    const ms = this.wait(this.#owner.rate, now)
    if (ms === 0) return false
    this.#waiting = []
    this.#owner.pause()
    this.#sleep(ms)
    return true
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting = undefined
  }

  #sleep(ms: number): void {
    this.#timer = setTimeout(() => this.#work(), ms)
  }

  #work(): void {
    while (this.#waiting !== undefined) {
      const now = performance.now()
      const ms = this.wait(this.#owner.rate, now)
      if (ms > 0) return this.#sleep(ms)
      if (this.#waiting.length === 0) break
      const text = this.#waiting.shift()
      this.#handle(text, text === undefined ? 0 : Buffer.byteLength(text), now)
    }
    if (this.#waiting === undefined) return // (a message made the session stop the inbox)
    this.#waiting = undefined
    this.#owner.resume()
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
