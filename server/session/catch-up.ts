/**
 * Catching up: a subscription gets the messages that it missed before any live ones.
 *
 *   confirmed ─▶ replay ─▶ [confirm_history] ─▶ live
 *             ╰▶ gap ────▶ [reject_history] ──▶ live, and we ask a page to refresh
 *
 * A subscription joins the hub synchronously with the end of its replay, so it misses nothing between the two and gets
 * nothing twice. held-messages.ts keeps the messages that arrive meanwhile and are not in the replay. If the broker's feed
 * is behind the replay, the subscription reads the feed until it has caught up. A session gets one replay at a
 * time, and waits while its write queue is long, or a long replay would make it too slow.
 */
import { BrokerUnavailable, type Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Message } from '../hub/hub.ts'
import type { Listening } from '../hub/listening.ts'
import type { RefreshFate } from '../protocol/action-cable.ts'
import { confirmHistory, rejectHistory } from '../protocol/extended.ts'
import { catchingUp, caughtUp } from '../protocol/source-events.ts'
import { HeldMessages, type HeldParts, inOrder } from './held-messages.ts'
import { type Found, type History, readHistory } from './read-history.ts'
import {
  bytesOf,
  coveredFrom,
  framesOf,
  isLost,
  lastOf,
  type Missed,
  type PinnedStart,
  pinned,
  whyGap,
} from './replay.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of a session that catching up uses. */
export interface Behind {
  /** `congested`: whether a replay should wait, because the write queue is long. */
  readonly connection: Pick<Connection, 'send' | 'congested'>
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
  /** Begins to deliver broadcasts. */
  goLive: (subscription: Subscription) => void
  /** The action that follows a gap of this subscription. */
  fate: (subscription: Subscription) => RefreshFate | undefined
  /** Tells the session that the subscription may have missed messages. `isTold`: its client knows, or never asks. */
  missed: (subscription: Subscription, code: GapCode, isTold: boolean) => void
  /** Ends the session after a bug. Never throws. */
  fail: (error: unknown) => void
}

/** The shared parts that catching up uses. */
export interface CatchUpParts extends Omit<HeldParts, 'history'> {
  /** `undefined`: the cable keeps no history. */
  readonly history: History | undefined
  readonly listening: Listening
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  readonly later: (ms: number, then: () => void) => () => void
}

interface Turn {
  readonly subscription: Subscription
  readonly start: PinnedStart
  /** Whether the client asked for history, and so gets an answer. */
  readonly asked: boolean
}

/** Time until a replay asks again after the broker was away. */
const RETRY_MS = 1_000

export class CatchUp {
  readonly #session: Behind
  readonly #parts: CatchUpParts
  /** `undefined`: no subscription waits. While a read runs, its turn is the first. */
  #turns: Turn[] | undefined
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
    const { history } = this.#parts
    if (history === undefined) return this.#without(start, subscription, asked)
    // "Now" is this moment: not when we listen, and not when the replay runs. A client that reads its confirmation and then
    // lets its backend publish must get that message.
    const turn = { subscription, start: pinned(start, history), asked }
    if (this.#turns === undefined && this.#take(turn, history, found)) return
    if (found instanceof Promise) found.catch(() => {}) // (we ask again when its turn comes)
    this.wait(subscription)
    this.#turns ??= []
    this.#turns.push(turn)
  }

  /** Holds messages for the subscription until its turn comes and it is live. */
  wait(subscription: Subscription): void {
    const { history } = this.#parts
    if (history === undefined || subscription.state !== 'waiting') return
    this.#held ??= new HeldMessages(this.#session, { ...this.#parts, history })
    this.#held.begin(subscription)
  }

  /** Whether the client still waits for history that it asked for. */
  isAsked(subscription: Subscription): boolean {
    return this.#turns?.some(turn => turn.asked && turn.subscription === subscription) ?? false
  }

  /** The client may have missed messages of the subscription that the history never had. */
  missed(subscription: Subscription, code: GapCode): void {
    const { history } = this.#parts
    if (subscription.state === 'waiting') {
      if (history === undefined || this.#held?.missed(subscription, code)) return
      this.#endWait(subscription)
      this.#goLive(subscription, history.seen)
    }
    this.#session.missed(subscription, code, false)
  }

  /** Drops the turns and held messages of a subscription that is over, which has entered. */
  leave(subscription: Subscription): void {
    this.#parts.listening.leave(subscription.grant.streams)
    this.#endWait(subscription)
    this.#turns = this.#turns?.filter(turn => turn.subscription !== subscription)
  }

  /** Runs waiting replays until the write queue is long. */
  resume(): void {
    const turns = this.#turns
    if (turns === undefined || this.#isReading) return
    while (turns.length > 0) {
      const turn = turns.shift()!
      if (turn.subscription.state === 'over') continue
      if (!this.#take(turn, this.#parts.history!)) {
        turns.unshift(turn)
        return
      }
      if (this.#isReading) return
    }
    this.#turns = undefined
  }

  /** Returns false if the replay has to wait. */
  #take(turn: Turn, history: History, found = this.#find(turn, history)): boolean {
    if (this.#session.connection.congested(0)) {
      if (found instanceof Promise) found.catch(() => {})
      return false
    }
    if (!(found instanceof Promise)) return this.#send(turn, found, history)
    this.#read(turn, found, history)
    return true
  }

  /** Waits for a broker that answers later. The turn stays the first until then. */
  #read(turn: Turn, found: Promise<readonly Entry[] | 'gap'>, history: History): void {
    this.#isReading = true
    this.#turns = [turn, ...(this.#turns ?? [])]
    this.wait(turn.subscription)
    this.#held?.reading(turn.subscription, true)
    found.then(
      entries => this.#endRead(turn, () => this.#send(turn, entries, history)),
      error => {
        if (!(error instanceof BrokerUnavailable)) return this.#session.fail(error)
        // A broker that is away is not a gap: the replay waits.
        this.#parts.later(RETRY_MS, () => this.#endRead(turn, () => false))
      },
    )
  }

  #endRead(turn: Turn, then: () => boolean): void {
    try {
      this.#isReading = false
      const isWanted = this.#turns?.includes(turn)
      if (isWanted && then()) this.#turns = this.#turns?.filter(other => other !== turn)
      this.#held?.reading(turn.subscription, false)
      this.resume()
    } catch (error) {
      this.#session.fail(error)
    }
  }

  /** Returns false if the replay has to wait. */
  #send(turn: Turn, found: readonly Entry[] | 'gap', history: History): boolean {
    const { connection } = this.#session
    const { subscription, start } = turn
    const kept = this.#held?.messages(subscription) ?? []
    const heldGap = this.#held?.gap(subscription)
    const replay = found === 'gap' ? [] : inOrder(found, kept, lastOf(start, found))
    const size = bytesOf(replay, subscription, history)
    const isGap = found === 'gap' || heldGap !== undefined || size > this.#parts.limits.maxReplayBytes
    const rest = isGap ? inOrder([], kept, 0) : replay
    if (connection.congested(isGap ? bytesOf(rest, subscription, history) : size)) return false
    this.#endWait(subscription)
    if (!isGap) this.#replay(turn, found, replay, history)
    else this.#skip(turn, rest, heldGap ?? (found === 'gap' ? whyGap(start, history.epoch) : 'gap_too_large'), history)
    return true
  }

  #skip({ subscription, asked }: Turn, rest: readonly Missed[], code: GapCode, history: History): void {
    const { connection } = this.#session
    if (asked) connection.send(rejectHistory(subscription.identifier, this.#session.fate(subscription)))
    // Neither a refresh nor a later `history` command could bring the held messages.
    for (const frame of this.#framed(subscription, rest, history)) connection.send(frame)
    // A client that subscribes and asks for no history would not ask either if it came back.
    const isTold = asked || (subscription.confirmed && code !== 'gap_broker_away')
    if (this.#goLive(subscription, history.seen)) this.#session.missed(subscription, code, isTold)
  }

  #replay(
    { subscription, start, asked }: Turn,
    found: readonly Entry[],
    replay: readonly Missed[],
    history: History,
  ): void {
    const { connection } = this.#session
    const { identifier, grant } = subscription
    const frames = this.#framed(subscription, replay, history)
    const tells = grant.events && (asked || frames.length > 0)
    if (tells) connection.send(catchingUp(identifier, frames.length))
    for (const frame of frames) connection.send(frame)
    if (tells) connection.send(caughtUp(identifier, frames.length))
    if (asked) connection.send(confirmHistory(identifier))
    const last = lastOf(start, found)
    if (last > history.seen) this.#followFeed(subscription, last, history)
    else this.#goLive(subscription, coveredFrom(grant.streams, start, found, history.seen))
  }

  /** The feed is behind the replay: drops its stored messages up to `last`, and joins the hub once the feed has passed it. */
  #followFeed(subscription: Subscription, last: number, history: History): void {
    if (subscription.state !== 'waiting') return
    this.wait(subscription)
    this.#held?.pass(subscription, (message: Message) => {
      const { offset } = message
      if (history.seen >= last && (offset === undefined || offset > last)) {
        // (The hub is about to deliver this message to all that listen.)
        this.#endWait(subscription)
        this.#goLive(subscription, last)
      } else if (offset === undefined) {
        for (const frame of this.#framed(subscription, [message], history)) this.#session.connection.send(frame)
      }
    })
  }

  #endWait(subscription: Subscription): void {
    this.#held?.end(subscription)
    if (this.#held?.idle) this.#held = undefined
  }

  #framed(subscription: Subscription, messages: readonly Missed[], { epoch }: History): Buffer[] {
    return framesOf(subscription, messages, epoch, sid => this.#session.answersTo(sid))
  }

  #find({ subscription, start }: Turn, history: History): Found {
    const opening = this.#parts.listening.opening(subscription.grant.streams)
    if (opening === undefined) return this.#ask(subscription, start, history)
    return opening.then(() => this.#ask(subscription, start, history))
  }

  #ask({ grant, state, covered }: Subscription, start: PinnedStart, history: History): Found {
    const found = readHistory(history, grant.streams, start, this.#parts.listening.now(grant.streams).seen)
    if (state !== 'live') return found
    // A live subscription has the newer ones already.
    const older = (entries: readonly Entry[] | 'gap') =>
      entries === 'gap' ? entries : entries.filter(({ offset }) => offset <= covered)
    return found instanceof Promise ? found.then(older) : older(found)
  }

  /** Returns false if the subscription is over: our last frames may have overrun the connection, which ends it. */
  #goLive(subscription: Subscription, covered: number): boolean {
    if (subscription.state === 'over') return false
    subscription.covered = subscription.state === 'live' ? Math.min(subscription.covered, covered) : covered
    if (subscription.state === 'waiting') {
      subscription.state = 'live'
      this.#session.goLive(subscription)
    }
    return true
  }

  /** Without a history a page's position means nothing, so only a client that asks gets an answer. */
  #without(start: Start, subscription: Subscription, asked: boolean): void {
    if (asked)
      this.#session.connection.send(
        start === 'now' ? confirmHistory(subscription.identifier) : rejectHistory(subscription.identifier),
      )
    this.#goLive(subscription, 0)
  }
}
