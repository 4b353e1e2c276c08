/**
 * Catching up: a subscription gets the messages that it missed before any live ones.
 *
 *   confirmed ─▶ replay ─▶ [confirm_history] ─▶ live
 *             ╰▶ gap ────▶ [reject_history] ──▶ live, and we ask a page to refresh
 *
 * A subscription joins the hub synchronously with the end of its replay, so it misses nothing between the two and gets
 * nothing twice. held-messages.ts keeps the messages that arrive meanwhile and are not in the replay. If the broker's feed
 * is behind the replay, the subscription reads the feed until it has caught up. replaying.ts has the steps of one replay.
 * Here is the queue of a session's replays: it gets one at a time, and waits while its write queue is long, or a long replay would make it too slow.
 */
import { guarded } from '../base/failure.ts'
import { BrokerUnavailable, type Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Listening } from '../hub/listening.ts'
import type { Position } from '../protocol/position.ts'
import { HeldMessages, type HeldParts } from './held-messages.ts'
import { type Found, type HistoryReader, readHistory } from './read-history.ts'
import { bytesOf, earlierOf, isLost, type PinnedStart, pinned } from './replay.ts'
import {
  answerWithoutHistory,
  type Behind,
  followFeed,
  goLive,
  type PendingReplay,
  replayOf,
  sendReplay,
} from './replaying.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** The shared parts that catching up uses. */
export interface CatchUpParts extends Omit<HeldParts, 'history'> {
  /** `undefined`: the cable keeps no history. */
  readonly history: HistoryReader | undefined
  readonly listening: Listening
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  readonly later: (ms: number, then: () => void) => () => void
}

/** Time until a replay asks again after the broker was away. */
const RETRY_MS = 1_000
/** The feed of a stream that is quiet moves by ticks, one each second. */
const TICK_MS = 1_000

export class CatchUp {
  readonly #session: Behind
  readonly #parts: CatchUpParts
  /** `undefined`: no subscription waits. While a read runs, its replay is the first. */
  #queue: PendingReplay[] | undefined
  #isReading = false
  /** `undefined`: no subscription waits. */
  #held: HeldMessages | undefined

  constructor(session: Behind, parts: CatchUpParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Call it for each new subscription: it begins to listen. */
  enter({ grant }: Subscription): void {
    this.#parts.listening.enter(grant.streams)
  }

  /** Returns the messages after `start`; `undefined`: there is no history, nothing to ask, or it is too early to ask. */
  find(start: Start, subscription: Subscription): Found | undefined {
    const { history, listening } = this.#parts
    if (history === undefined || start === 'now') return undefined
    if (listening.opening(subscription.grant.streams) !== undefined) return undefined
    return this.#ask(subscription, pinned(start, history), history)
  }

  /** Whether we know already that a replay cannot bring the messages found. */
  isGap(start: Start, found: Found | undefined, subscription: Subscription): boolean {
    const { history, limits } = this.#parts
    if (history === undefined) return false
    if (isLost(start, history.epoch)) return true
    if (found === undefined || found instanceof Promise) return false
    return found === 'gap' || bytesOf(found, subscription, history) > limits.maxReplayBytes
  }

  /**
   * Sends the messages after `start`, now or in its turn, then makes the subscription live. Pass as `found` the result of
   * {@link find}, if the caller has just called it.
   */
  from(start: Start, subscription: Subscription, asked: boolean, found?: Found): void {
    const { history, listening } = this.#parts
    if (history === undefined) return answerWithoutHistory(this.#session, start, subscription, asked)
    // "Now" is this moment: not when we listen, and not when the replay runs. A client that reads its confirmation and then
    // lets its backend publish must get that message. A later question is from the moment at which this node began to listen
    // on, even if its feed is still behind that.
    const now = subscription.state === 'waiting' ? history : listening.now(subscription.grant.streams)
    const pending = { subscription, start: pinned(start, now), asked }
    if (this.#queue === undefined && this.#take(pending, history, found)) return
    if (found instanceof Promise) found.catch(() => {}) // (we ask again when its turn comes)
    this.wait(subscription)
    this.#queue ??= []
    this.#queue.push(pending)
  }

  /** Holds messages for the subscription until its turn comes and it is live. */
  wait(subscription: Subscription): void {
    const { history } = this.#parts
    if (history === undefined || subscription.state !== 'waiting') return
    this.#held ??= new HeldMessages(this.#session, { ...this.#parts, history })
    this.#held.begin(subscription)
  }

  /** Whether a replay of the subscription waits or runs. */
  isPending(subscription: Subscription): boolean {
    return this.#queue?.some(pending => pending.subscription === subscription) ?? false
  }

  /** Whether the client still waits for history that it asked for. */
  isAsked(subscription: Subscription): boolean {
    return this.#queue?.some(pending => pending.asked && pending.subscription === subscription) ?? false
  }

  /** Returns from where another session must go on, so that its client also gets the replays that wait. */
  resumeFrom(position: Position): Position | 'gap' {
    const waiting = this.#queue?.filter(({ subscription }) => subscription.state === 'waiting') ?? []
    return waiting.map(({ start }) => start).reduce<Position | 'gap'>(earlierOf, position)
  }

  /** The client may have missed messages of the subscription that the history never had. */
  missed(subscription: Subscription, code: GapCode): void {
    if (subscription.state === 'waiting') return this.#held?.missed(subscription, code)
    if (subscription.state === 'following') {
      this.#endWait(subscription)
      goLive(this.#session, subscription)
    }
    this.#session.missed(subscription, code, false)
  }

  /** Drops the replays and held messages of a subscription that is over, which has entered. */
  leave(subscription: Subscription): void {
    this.#parts.listening.leave(subscription.grant.streams)
    this.#endWait(subscription)
    this.#queue = this.#queue?.filter(pending => pending.subscription !== subscription)
  }

  /** Runs waiting replays until the write queue is long. */
  resume(): void {
    const queue = this.#queue
    if (queue === undefined || this.#isReading) return
    while (queue.length > 0) {
      const pending = queue.shift()!
      if (pending.subscription.state === 'over') continue
      if (!this.#take(pending, this.#parts.history!)) {
        queue.unshift(pending)
        return
      }
      if (this.#isReading) return
    }
    this.#queue = undefined
  }

  /** Returns false if the replay has to wait. */
  #take(pending: PendingReplay, history: HistoryReader, found = this.#find(pending, history)): boolean {
    if (this.#session.connection.congested(0)) {
      if (found instanceof Promise) found.catch(() => {})
      return false
    }
    if (!(found instanceof Promise)) return this.#send(pending, found, history)
    this.#read(pending, found, history)
    return true
  }

  /** Waits for a broker that answers later. The replay stays the first until then. */
  #read(pending: PendingReplay, found: Promise<readonly Entry[] | 'gap'>, history: HistoryReader): void {
    this.#isReading = true
    this.#queue = [pending, ...(this.#queue ?? [])]
    this.wait(pending.subscription)
    this.#held?.reading(pending.subscription, true)
    found.then(
      entries => this.#endRead(pending, () => this.#send(pending, entries, history)),
      error => {
        if (!(error instanceof BrokerUnavailable)) return this.#session.fail(error)
        // A broker that is away is not a gap: the replay waits.
        this.#parts.later(RETRY_MS, () => this.#endRead(pending, () => false))
      },
    )
  }

  #endRead(pending: PendingReplay, then: () => boolean): void {
    try {
      this.#isReading = false
      const isWanted = this.#queue?.includes(pending)
      if (isWanted && then()) this.#queue = this.#queue?.filter(other => other !== pending)
      this.#held?.reading(pending.subscription, false)
      this.resume()
    } catch (error) {
      this.#session.fail(error)
    }
  }

  /** Returns false if the replay has to wait. */
  #send(pending: PendingReplay, found: readonly Entry[] | 'gap', history: HistoryReader): boolean {
    const session = this.#session
    const { subscription, asked } = pending
    // (The feed brings no messages from before this node listened, even if it has not passed them.)
    const now = this.#parts.listening.now(subscription.grant.streams)
    const replay = replayOf(pending, found, this.#held, now, this.#parts.limits.maxReplayBytes)
    const { gap, last, covered } = replay
    if (session.connection.congested(replay.bytes)) return false
    const isFirst = subscription.state === 'waiting'
    if (isFirst) this.#endWait(subscription)
    sendReplay(session, pending, replay, history.epoch)
    // Our last frames may have overrun the connection, which ends the session.
    if (subscription.state === 'over') return true
    subscription.covered = isFirst ? covered : Math.min(subscription.covered, covered)
    if (isFirst) {
      session.replayed()
      if (last > history.seen) this.#follow(subscription, last, history)
      else goLive(session, subscription)
    }
    // A client that subscribes and asks for no history would not ask either if it came back.
    const isTold = asked || (subscription.confirmed && gap !== 'gap_broker_away')
    if (gap !== undefined) session.missed(subscription, gap, isTold)
    return true
  }

  /** The feed is behind the replay: the subscription joins the hub once the feed has passed `last`. */
  #follow(subscription: Subscription, last: number, history: HistoryReader): void {
    this.wait(subscription)
    subscription.state = 'following'
    const end = () => this.#endWait(subscription)
    this.#held?.pass(subscription, followFeed(this.#session, subscription, last, history, end))
    this.#watch(subscription, last, history)
  }

  /** Until its next message, which may never come, a stream does not tell how far the feed is. */
  #watch(subscription: Subscription, last: number, history: HistoryReader): void {
    const look = () => {
      if (subscription.state !== 'following') return
      if (history.seen < last) return this.#watch(subscription, last, history)
      this.#endWait(subscription)
      goLive(this.#session, subscription)
    }
    this.#parts.later(
      TICK_MS,
      guarded(look, error => this.#session.fail(error)),
    )
  }

  #endWait(subscription: Subscription): void {
    this.#held?.end(subscription)
    if (this.#held?.idle) this.#held = undefined
  }

  #find({ subscription, start }: PendingReplay, history: HistoryReader): Found {
    const opening = this.#parts.listening.opening(subscription.grant.streams)
    if (opening === undefined) return this.#ask(subscription, start, history)
    // (Of a subscription that is over we may no longer know the streams.)
    return opening.then(() => (subscription.state === 'over' ? [] : this.#ask(subscription, start, history)))
  }

  #ask(subscription: Subscription, start: PinnedStart, history: HistoryReader): Found {
    return readHistory(history, subscription, start, this.#parts.listening.now(subscription.grant.streams).seen)
  }
}
