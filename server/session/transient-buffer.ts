/**
 * A session's transient messages (presence events, whispers, transient broadcasts), while subscriptions wait for replays.
 *
 *   stored 5 · whisper · stored 6     ─▶  the replay:  5 · whisper · 6
 *
 * The history does not hold these. We keep each with the offset before it, so that the replay sends it at its place. A
 * session keeps at most as many bytes as a replay may have; a subscription that needs more gets a gap.
 */

import type { Entry } from '../broker.ts'
import type { Hub, Message, Waiter } from '../hub/hub.ts'
import type { Limits } from './limits.ts'
import type { Subscription } from './subscriptions.ts'

/** What the buffer needs of its session. */
interface Owner {
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
}

/** What the buffers of all sessions share. */
export interface BufferParts {
  readonly history: { readonly seen: number }
  readonly hub: Pick<Hub, 'addWaiter' | 'removeWaiter'>
  readonly limits: Limits
}

export interface TransientMessage {
  /** The offset of the last message in the history before this one. */
  readonly after: number
  readonly message: Message
}

interface Waiting extends Waiter {
  messages: TransientMessage[] | 'gap'
  bytes: number
}

/** Bytes that a kept message takes beside its body: an upper estimate. */
const OVERHEAD = 300

export class TransientBuffer {
  readonly #session: Owner
  readonly #parts: BufferParts
  readonly #waiting = new Map<Subscription, Waiting>()
  #bytes = 0

  constructor(session: Owner, parts: BufferParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Whether no subscription waits. */
  get idle(): boolean {
    return this.#waiting.size === 0
  }

  /** Begins to keep messages for the subscription. */
  keep(subscription: Subscription): void {
    if (this.#waiting.has(subscription)) return
    const waiting: Waiting = { messages: [], bytes: 0, hold: message => this.#hold(subscription, waiting, message) }
    this.#waiting.set(subscription, waiting)
    this.#parts.hub.addWaiter(subscription.grant.stream, waiting)
  }

  /** Returns the kept messages, the oldest first. `gap`: they had too many bytes. */
  messages(subscription: Subscription): readonly TransientMessage[] | 'gap' {
    return this.#waiting.get(subscription)?.messages ?? []
  }

  /** Drops the kept messages, and keeps no further ones. */
  end(subscription: Subscription): void {
    const waiting = this.#waiting.get(subscription)
    if (waiting === undefined) return
    this.#waiting.delete(subscription)
    this.#bytes -= waiting.bytes
    this.#parts.hub.removeWaiter(subscription.grant.stream, waiting)
  }

  #hold({ grant }: Subscription, waiting: Waiting, message: Message): void {
    const { exclude, fromClient, payload } = message
    if (waiting.messages === 'gap' || (fromClient && grant.kind !== 'data')) return
    if (exclude !== undefined && this.#session.answersTo(exclude)) return
    const bytes = OVERHEAD + payload.length
    if (this.#bytes + bytes > this.#parts.limits.maxReplayBytes) {
      this.#bytes -= waiting.bytes
      waiting.bytes = 0
      waiting.messages = 'gap'
      return
    }
    this.#bytes += bytes
    waiting.bytes += bytes
    waiting.messages.push({ after: this.#parts.history.seen, message })
  }
}

/** Merges the entries of the history and the transient messages in their original order. */
export function inOrder(
  entries: readonly Entry[],
  transient: readonly TransientMessage[],
): readonly (Entry | Message)[] {
  if (transient.length === 0) return entries
  const merged: (Entry | Message)[] = []
  let next = 0
  for (const entry of entries) {
    for (; next < transient.length && transient[next]!.after < entry.offset; next++)
      merged.push(transient[next]!.message)
    merged.push(entry)
  }
  for (; next < transient.length; next++) merged.push(transient[next]!.message)
  return merged
}
