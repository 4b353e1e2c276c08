/**
 * Catching up: a subscription gets the messages that it missed before any live ones.
 *
 *   confirmed ─▶ replay ─▶ [confirm_history] ─▶ live
 *             ╰▶ gap ────▶ [reject_history] ──▶ live, and we ask a page to refresh
 *
 * A subscription joins the hub synchronously with the end of its replay, so it misses nothing between the two and gets
 * nothing twice. held-messages.ts keeps what comes meanwhile and is not in the replay. If the broker's feed is behind the
 * replay, the subscription takes its messages itself until the feed has passed it. A session gets one replay at a time, and
 * none while much waits to be written, so that a long replay does not make it too slow.
 */
import type { Soon } from '../base/soon.ts'
import { type Broker, BrokerUnavailable, type Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Message } from '../hub/hub.ts'
import type { RefreshFate } from '../protocol/action-cable.ts'
import { confirmHistory, rejectHistory } from '../protocol/extended.ts'
import { catchingUp, caughtUp } from '../protocol/source-events.ts'
import { HeldMessages, type HeldParts, inOrder } from './held-messages.ts'
import { bytesOf, coveredFrom, framesOf, lastOf, type Missed, whyGap } from './replay.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** What catching up needs of its session. */
export interface Behind {
  /** `congested`: whether so much waits to be written that a replay should wait, too. */
  readonly connection: Pick<Connection, 'send' | 'congested'>
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
  /** From now on broadcasts are delivered. */
  goLive: (subscription: Subscription) => void
  /** What follows a gap of this subscription. */
  fate: (subscription: Subscription) => RefreshFate | undefined
  /** Something may be missing. */
  missed: (subscription: Subscription, code: GapCode) => void
  /** Ends the session after a bug. Never throws. */
  fail: (error: unknown) => void
}

/** What catching up needs of the broker. */
export type History = Pick<Broker, 'epoch' | 'seen' | 'after' | 'since'>

/** What catching up needs of what all sessions share. */
export interface CatchUpParts extends Omit<HeldParts, 'history'> {
  /** `undefined`: the cable keeps no history. */
  readonly history: History | undefined
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  readonly later: (ms: number, then: () => void) => () => void
}

/** What the history has for a subscription: messages, or a gap. */
export type Found = Soon<readonly Entry[] | 'gap'>

interface Turn {
  readonly subscription: Subscription
  readonly start: Exclude<Start, 'now'>
  /** Whether the client asked for history, and so is told how it went. */
  readonly asked: boolean
}

/** How long a replay waits before it asks a broker again that was away. */
const RETRY_MS = 1_000

export class CatchUp {
  readonly #session: Behind
  readonly #parts: CatchUpParts
  /** `undefined`: nobody waits. The first may be the one that is being read. */
  #turns: Turn[] | undefined
  #isReading = false
  /** `undefined`: no subscription waits. */
  #held: HeldMessages | undefined

  constructor(session: Behind, parts: CatchUpParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Asks the history what came after `start`; `undefined`: there is no history, or nothing to ask. */
  find(start: Start, subscription: Subscription): Found | undefined {
    const { history } = this.#parts
    return history === undefined || start === 'now' ? undefined : this.#find(subscription, start, history)
  }

  /** Whether, as far as we know now, no replay brings what was found. */
  isGap(found: Found | undefined, subscription: Subscription): boolean {
    const { history, limits } = this.#parts
    if (history === undefined || found === undefined || found instanceof Promise) return false
    return found === 'gap' || bytesOf(found, subscription, history) > limits.maxReplayBytes
  }

  /**
   * Sends what came after `start`, now or when its turn comes, then makes the subscription live. `found` is what
   * {@link find} has just returned, if it was asked.
   */
  from(start: Start, subscription: Subscription, asked: boolean, found?: Found): void {
    const { history } = this.#parts
    if (history === undefined) return this.#without(start, subscription, asked)
    // Pin "now" to this moment, not to when the replay runs.
    const pinned: Turn['start'] = start === 'now' ? { offset: history.seen, epoch: history.epoch } : start
    const turn = { subscription, start: pinned, asked }
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

  /** Whether the client asked for history that it has not got yet. */
  isAsked(subscription: Subscription): boolean {
    return this.#turns?.some(turn => turn.asked && turn.subscription === subscription) ?? false
  }

  /** Drops everything that waits for a subscription that is over. */
  leave(subscription: Subscription): void {
    this.#endWait(subscription)
    this.#turns = this.#turns?.filter(turn => turn.subscription !== subscription)
  }

  /** Goes on as far as the connection can take it. */
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
  #take(turn: Turn, history: History, found = this.#find(turn.subscription, turn.start, history)): boolean {
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
    const held = this.#held?.messages(subscription) ?? []
    const kept = held === 'gap' ? [] : held
    const replay = found === 'gap' ? [] : inOrder(found, kept, lastOf(start, found))
    const size = bytesOf(replay, subscription, history)
    const isGap = found === 'gap' || held === 'gap' || size > this.#parts.limits.maxReplayBytes
    const rest = isGap ? inOrder([], kept, 0) : replay
    if (connection.congested(isGap ? bytesOf(rest, subscription, history) : size)) return false
    this.#endWait(subscription)
    if (!isGap) this.#replay(turn, found, replay, history)
    else this.#skip(turn, rest, found === 'gap' ? whyGap(start, history.epoch) : 'gap_too_large', history)
    return true
  }

  #skip({ subscription, asked }: Turn, rest: readonly Missed[], code: GapCode, history: History): void {
    const { connection } = this.#session
    if (asked) connection.send(rejectHistory(subscription.identifier, this.#session.fate(subscription)))
    // Neither a refresh nor a later `history` command could bring the held messages.
    for (const frame of this.#framed(subscription, rest, history)) connection.send(frame)
    if (this.#goLive(subscription, history.seen)) this.#session.missed(subscription, code)
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
    else this.#goLive(subscription, coveredFrom(start, found, history.seen))
  }

  /** The feed has yet to bring what was replayed: drops that, and joins the hub once the feed has passed `last`. */
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

  #find({ grant, state, covered }: Subscription, start: Turn['start'], history: History): Found {
    if (start === 'gap') return 'gap'
    const found = 'since' in start ? history.since(grant.stream, start.since) : history.after(grant.stream, start)
    if (state !== 'live') return found
    // What a live subscription has been sent already is not sent again.
    const older = (entries: readonly Entry[] | 'gap') =>
      entries === 'gap' ? entries : entries.filter(({ offset }) => offset <= covered)
    return found instanceof Promise ? found.then(older) : older(found)
  }

  /** Returns false if it is over: what was sent to the client may have been too much for its connection. */
  #goLive(subscription: Subscription, covered: number): boolean {
    if (subscription.state === 'over') return false
    subscription.covered = subscription.state === 'live' ? Math.min(subscription.covered, covered) : covered
    if (subscription.state === 'waiting') {
      subscription.state = 'live'
      this.#session.goLive(subscription)
    }
    return true
  }

  /** Without a history a page's position says nothing, and we tell only a client that asks. */
  #without(start: Start, subscription: Subscription, asked: boolean): void {
    if (asked)
      this.#session.connection.send(
        start === 'now' ? confirmHistory(subscription.identifier) : rejectHistory(subscription.identifier),
      )
    this.#goLive(subscription, 0)
  }
}
