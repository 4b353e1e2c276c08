/**
 * Presence events, whispers and transient broadcasts, which no history holds, for subscriptions that wait for their replays.
 *
 *   stored 5 · whisper · stored 6     ─▶  the replay:  5 · whisper · 6
 *
 * Each is kept with the offset that it came after, so that the replay has it at its place. One session keeps no more
 * bytes than one replay may have; a subscription that would exceed them gets a gap instead.
 */
import type { Behind } from './catch-up.ts'
import type { Entry, History } from './history/history.ts'
import type { Message, Waiter } from './hub.ts'
import type { Subscription } from './subscriptions.ts'

export interface Late {
  /** Of the last message that the history took before. */
  readonly after: number
  readonly message: Message
}

interface Waiting extends Waiter {
  late: Late[] | 'gap'
  bytes: number
}

/** What keeping a message costs beside its body: an upper estimate. */
const OVERHEAD = 300

export class Held {
  readonly #session: Behind
  readonly #history: History
  readonly #waiting = new Map<Subscription, Waiting>()
  #bytes = 0

  constructor(session: Behind, history: History) {
    this.#session = session
    this.#history = history
  }

  /** Whether no subscription waits. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** Keeps messages for the subscription from now on. */
  keep(subscription: Subscription): void {
    if (this.#waiting.has(subscription)) return
    const waiting: Waiting = { late: [], bytes: 0, hold: message => this.#hold(subscription, waiting, message) }
    this.#waiting.set(subscription, waiting)
    this.#session.hub.wait(subscription.grant.stream, waiting)
  }

  /** Returns what was kept, the oldest first, and stops keeping. `gap`: it would have been too many bytes. */
  take(subscription: Subscription): readonly Late[] | 'gap' {
    const waiting = this.#waiting.get(subscription)
    if (waiting === undefined) return []
    this.#waiting.delete(subscription)
    this.#bytes -= waiting.bytes
    this.#session.hub.waitNoMore(subscription.grant.stream, waiting)
    return waiting.late
  }

  #hold({ grant }: Subscription, waiting: Waiting, message: Message): void {
    const { exclude, fromClient, body } = message
    if (waiting.late === 'gap' || (fromClient && grant.kind !== 'data')) return
    if (exclude !== undefined && this.#session.answersTo(exclude)) return
    const bytes = OVERHEAD + body.length
    if (this.#bytes + bytes > this.#session.limits.maxReplayBytes) {
      this.#bytes -= waiting.bytes
      waiting.bytes = 0
      waiting.late = 'gap'
      return
    }
    this.#bytes += bytes
    waiting.bytes += bytes
    waiting.late.push({ after: this.#history.offset, message })
  }
}

/** Both in the order in which they came. */
export function* inOrder(entries: readonly Entry[], late: readonly Late[]): Iterable<Entry | Message> {
  let next = 0
  for (const entry of entries) {
    for (; next < late.length && late[next]!.after < entry.offset; next++) yield late[next]!.message
    yield entry
  }
  for (; next < late.length; next++) yield late[next]!.message
}
