/**
 * The hub: knows which connections listen to a stream, and delivers broadcasts to them.
 *
 *   stream ─▶ identifier ─▶ connections
 *
 * Grouping by identifier lets us encode a frame once, however many are listening. Broadcasts wait for the end of the
 * event loop's turn, in their order, so that we write those of one stream to each socket at once. We send them before
 * every subscribe and before any other frame to a session. An idle hub holds nothing.
 */
import { countOf, each, type Few, withOne, withoutOne } from '../base/few.ts'
import { broadcastPrefix } from '../protocol/action-cable.ts'
import { Batch, headOf, unpooled } from '../protocol/frame.ts'
import type { Payload } from '../protocol/payload.ts'
import type { Turn } from './turn.ts'

/** A session's connection. The hub holds it, and not the session, to save a detour on every delivery. */
export interface Subscriber {
  /**
   * Sends `count` complete WebSocket frames, one after the other; the last one may continue in `rest`. Listeners share both
   * Buffers and must not write into them. `more`: others may follow in this turn. Returns true if the hub may write into
   * `frames` again.
   */
  deliver(frames: Buffer, count: number, more: boolean, rest?: Buffer): boolean
  /** Its owner. */
  readonly session: Addressee | undefined
}

export interface Addressee {
  /** Whether the session has, or had before it was resumed, this sid. */
  answersTo: (sid: string) => boolean
  /** Ends the session after a delivery to it threw, which is a bug. Never throws. */
  fail: (error: unknown) => void
}

export interface Message {
  readonly stream: string
  /** Follows the prefix of each identifier. */
  readonly payload: Payload
  /** The sid of a session that gets this on none of its subscriptions. */
  readonly exclude?: string | undefined
  /** Becomes the frame's `type`. */
  readonly type?: string | undefined
  /** A client made it: it must not reach a page as HTML. */
  readonly fromClient?: boolean
  /** Its offset in the history; `undefined`: the history does not hold it. */
  readonly offset?: number
}

/** A subscription that waits for its replay, and keeps the messages that the replay lacks. */
export interface Waiter {
  hold: (message: Message) => void
}

interface Group {
  readonly identifier: string
  readonly html: boolean
  /** Made for the first broadcast, then kept. */
  prefix: Buffer | undefined
  listeners: Few<Subscriber>
}

type Groups = Map<string, Group>

/** Bytes of messages that we write to one socket at once. */
const BATCH = 64 * 1024
/** Listeners share a larger message: copied behind each identifier, it would wait once for each slow reader. */
const SHARED = 16 * 1024

export class Hub {
  readonly #turn: Turn
  readonly #streams = new Map<string, Groups>()
  /** By stream. */
  readonly #waiters = new Map<string, Few<Waiter>>()
  /** Broadcasts of this turn. */
  #waiting: Message[] = []

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** How many streams have a listener. */
  get size(): number {
    return this.#streams.size
  }

  /** Whether a session listens, or will listen after its replay. */
  hasListeners(stream: string): boolean {
    return this.#streams.has(stream) || this.#waiters.has(stream)
  }

  /** How many sessions listen to each, by identifier; a session with two identifiers counts twice. */
  *listeners(): Iterable<[stream: string, count: number]> {
    for (const stream of this.#streams.keys()) yield [stream, this.countOf(stream)]
  }

  /** How many sessions listen to it, by identifier. */
  countOf(stream: string): number {
    let count = 0
    for (const { listeners } of this.#streams.get(stream)?.values() ?? []) count += countOf(listeners)
    return count
  }

  /** `html`: the page inserts messages as HTML. */
  subscribe(stream: string, identifier: string, listener: Subscriber, html: boolean): void {
    this.#turn.settle()
    let groups = this.#streams.get(stream)
    if (groups === undefined) {
      groups = new Map()
      this.#streams.set(stream, groups)
    }
    const group = groups.get(identifier)
    if (group !== undefined) group.listeners = withOne(group.listeners, listener)
    else groups.set(identifier, { identifier, html, prefix: undefined, listeners: listener })
  }

  unsubscribe(stream: string, identifier: string, listener: Subscriber): void {
    this.#turn.settle()
    const groups = this.#streams.get(stream)
    const group = groups?.get(identifier)
    if (groups === undefined || group === undefined) return
    const left = withoutOne(group.listeners, listener)
    if (left !== undefined) {
      group.listeners = left
      return
    }
    groups.delete(identifier)
    if (groups.size === 0) this.#streams.delete(stream)
  }

  /** Begins to hand messages to the waiter, synchronously, before any listener gets them. */
  addWaiter(stream: string, waiter: Waiter): void {
    this.#waiters.set(stream, withOne(this.#waiters.get(stream), waiter))
  }

  removeWaiter(stream: string, waiter: Waiter): void {
    const left = withoutOne(this.#waiters.get(stream), waiter)
    if (left === undefined) this.#waiters.delete(stream)
    else this.#waiters.set(stream, left)
  }

  /** Hands the message to every session that listens, at the end of the turn at the latest. */
  broadcast(message: Message): void {
    if (this.#waiters.size > 0) this.#hold(message)
    if (!this.#streams.has(message.stream)) return
    this.#waiting.push(message)
    this.#turn.first(this.#flush)
  }

  #hold(message: Message): void {
    const waiters = this.#waiters.get(message.stream)
    if (waiters === undefined) return
    const kept = { ...message, payload: unpooled(message.payload) }
    for (const waiter of each(waiters)) waiter.hold(kept)
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting
    this.#waiting = []
    for (let from = 0; from < waiting.length; ) {
      const to = endOfRun(waiting, from)
      const groups = this.#streams.get(waiting[from]!.stream)
      if (groups !== undefined) this.#handOut(groups, waiting.slice(from, to), to - from < waiting.length)
      from = to
    }
  }

  #handOut(groups: Groups, messages: readonly Message[], more: boolean): void {
    try {
      handOut(groups, messages, more)
    } catch (error) {
      this.#turn.failed(error)
    }
  }
}

/** Returns the end of a run of messages that we can write as one: of one stream, and for all of its listeners. */
function endOfRun(messages: readonly Message[], from: number): number {
  const { stream, payload } = messages[from]!
  let bytes = payload.length
  let to = from + 1
  if (!isPlain(messages[from]!) || bytes > SHARED) return to
  for (; to < messages.length; to++) {
    const message = messages[to]!
    bytes += message.payload.length
    if (message.stream !== stream || !isPlain(message) || message.payload.length > SHARED || bytes > BATCH) break
  }
  return to
}

const isPlain = ({ exclude, type, fromClient }: Message): boolean =>
  exclude === undefined && type === undefined && !fromClient

function handOut(groups: Groups, messages: readonly Message[], more: boolean): void {
  // A connection with two identifiers would get all messages under one of them before any under the other.
  if (messages.length > 1 && overlap(groups)) {
    for (const message of messages) handOut(groups, [message], true)
    return
  }
  const [{ payload, exclude, type, fromClient }] = messages as [Message]
  const shared = payload.length > SHARED ? payload : undefined
  const batch = new Batch(messages.map(({ payload }) => payload))
  for (const group of groups.values()) {
    if (group.html && fromClient) continue
    const { identifier, listeners } = group
    group.prefix ??= unpooled(broadcastPrefix(identifier))
    const prefix = type === undefined ? group.prefix : broadcastPrefix(identifier, type)
    const frames = shared === undefined ? batch.framed(prefix) : headOf(prefix, shared.length)
    let free = true
    const hand = (listener: Subscriber) => {
      try {
        if (exclude !== undefined && listener.session?.answersTo(exclude)) return
        if (!listener.deliver(frames, messages.length, more, shared)) free = false
      } catch (error) {
        free = false
        listener.session?.fail(error)
      }
    }
    if (listeners instanceof Set) listeners.forEach(hand)
    else hand(listeners)
    batch.reuse(free)
  }
}

function overlap(groups: Groups): boolean {
  if (groups.size === 1) return false
  const seen = new Set<Subscriber>()
  let count = 0
  for (const { listeners } of groups.values()) {
    count += countOf(listeners)
    for (const listener of each(listeners)) seen.add(listener)
  }
  return seen.size < count
}
