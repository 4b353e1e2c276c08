/**
 * A session's held messages: those that reach the node while subscriptions wait for their replays.
 *
 *   stored 5 · whisper · stored 6     ─▶  the replay:  5 · whisper · 6
 *
 * The history does not hold presence events, whispers and transient broadcasts, so we keep each with the offset before it,
 * and the replay sends it at its place. While a replay is read from a broker that answers later, we keep stored messages
 * too. A session keeps at most as many bytes as a replay may have; a subscription that needs more gets a gap.
 */
import type { Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Hub, Message, Waiter } from '../hub/hub.ts'
import type { Limits } from './limits.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of a session that held messages use. */
interface Owner {
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
}

/** The shared parts that held messages use. */
export interface HeldParts {
  /** `seen`: the newest offset that reached this node. */
  readonly history: { readonly seen: number }
  readonly hub: Pick<Hub, 'addWaiter' | 'removeWaiter'>
  readonly limits: Limits
}

export interface Held {
  /** The newest offset when this message came. */
  readonly after: number
  readonly message: Message
}

interface Waiting extends Waiter {
  messages: Held[]
  /** Why its replay must be a gap, whatever the history has. */
  gap: GapCode | undefined
  bytes: number
  /** Whether to keep stored messages, too. */
  isReading: boolean
  /** If set, gets the messages, and we keep none. */
  pass: ((message: Message) => void) | undefined
}

/** Bytes that a held message takes beside its payload: an upper estimate. */
const OVERHEAD = 300

export class HeldMessages {
  readonly #session: Owner
  readonly #parts: HeldParts
  readonly #waiting = new Map<Subscription, Waiting>()
  #bytes = 0

  constructor(session: Owner, parts: HeldParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Whether no subscription waits. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** Begins to hold messages for the subscription. */
  begin(subscription: Subscription): void {
    if (this.#waiting.has(subscription)) return
    const waiting: Waiting = {
      messages: [],
      gap: undefined,
      bytes: 0,
      isReading: false,
      pass: undefined,
      hold: message => this.#hold(subscription, waiting, message),
    }
    this.#waiting.set(subscription, waiting)
    for (const stream of subscription.grant.streams) this.#parts.hub.addWaiter(stream, waiting)
  }

  /** Starts or stops holding stored messages as well. */
  reading(subscription: Subscription, isReading: boolean): void {
    const waiting = this.#waiting.get(subscription)
    if (waiting !== undefined) waiting.isReading = isReading
  }

  /** Returns the held messages, the oldest first. */
  messages(subscription: Subscription): readonly Held[] {
    return this.#waiting.get(subscription)?.messages ?? []
  }

  /** Returns why the replay must be a gap: the held messages had too many bytes, or {@link missed} was called. */
  gap(subscription: Subscription): GapCode | undefined {
    return this.#waiting.get(subscription)?.gap
  }

  /** Messages that the history may never have had are missing. */
  missed(subscription: Subscription, code: GapCode): void {
    const waiting = this.#waiting.get(subscription)
    if (waiting !== undefined) waiting.gap ??= code
  }

  /** Drops the held messages, and hands each further one to `pass`. */
  pass(subscription: Subscription, pass: (message: Message) => void): void {
    this.begin(subscription)
    const waiting = this.#waiting.get(subscription)!
    this.#bytes -= waiting.bytes
    Object.assign(waiting, { messages: [], bytes: 0, pass })
  }

  /** Drops the held messages, and holds no further ones. */
  end(subscription: Subscription): void {
    const waiting = this.#waiting.get(subscription)
    if (waiting === undefined) return
    this.#waiting.delete(subscription)
    this.#bytes -= waiting.bytes
    for (const stream of subscription.grant.streams) this.#parts.hub.removeWaiter(stream, waiting)
  }

  #hold({ grant }: Subscription, waiting: Waiting, message: Message): void {
    const { exclude, fromClient, payload, offset } = message
    if (fromClient && grant.kind !== 'data') return
    if (exclude !== undefined && this.#session.answersTo(exclude)) return
    if (waiting.pass !== undefined) return waiting.pass(message)
    if (waiting.gap === 'gap_too_large' || (offset !== undefined && !waiting.isReading)) return
    const bytes = OVERHEAD + payload.length
    if (this.#bytes + bytes > this.#parts.limits.maxReplayBytes) {
      this.#bytes -= waiting.bytes
      Object.assign(waiting, { messages: [], bytes: 0, gap: 'gap_too_large' })
      return
    }
    this.#bytes += bytes
    waiting.bytes += bytes
    waiting.messages.push({ after: this.#parts.history.seen, message })
  }
}

/**
 * Merges the entries of the history and the held messages in their original order. `last` is the last offset that the
 * client has after the entries: held messages up to there are repetitions.
 */
export function inOrder(entries: readonly Entry[], held: readonly Held[], last: number): readonly (Entry | Message)[] {
  if (held.length === 0) return entries
  const merged: (Entry | Message)[] = []
  const rest = held.filter(({ message: { offset } }) => offset === undefined || offset > last)
  let next = 0
  for (const entry of entries) {
    for (; next < rest.length && rest[next]!.after < entry.offset; next++) merged.push(rest[next]!.message)
    merged.push(entry)
  }
  for (; next < rest.length; next++) merged.push(rest[next]!.message)
  return merged
}
