/**
 * Catching up: what a subscription missed is sent before anything live is.
 *
 *   confirmed ─▶ replay ─▶ [confirm_history] ─▶ live
 *             ╰▶ gap ────▶ [reject_history] ──▶ live, and a page is told to refresh
 *
 * A subscription joins the hub in the same breath in which its replay ends, so nothing falls between the two and nothing
 * is sent twice. While it waits, messages that no history holds are kept for it (held.ts). One replay at a time, and none while much is still waiting to be written: a client that asks for a lot
 * after a reconnect must not be cut for it.
 */
import type { GapCode } from './errors.ts'
import { Held, inOrder, type Late } from './held.ts'
import type { Entry, History, Position } from './history/history.ts'
import type { Start } from './history/start.ts'
import type { Hub, Message } from './hub.ts'
import type { Limits } from './limits.ts'
import { broadcastPrefix } from './protocol/action-cable.ts'
import { confirmHistory, positionTail, rejectHistory } from './protocol/extended.ts'
import { textFrame } from './protocol/frame.ts'
import { catchingUp, caughtUp } from './protocol/source-events.ts'
import type { Subscription } from './subscriptions.ts'
import type { Connection } from './transport/connection.ts'

/** What catching up needs of its session. */
export interface Behind {
  /** `undefined`: nothing is remembered. */
  readonly history: History | undefined
  /** `congested`: whether so much waits to be written that replays should, too. */
  readonly connection: Pick<Connection, 'send' | 'congested'>
  readonly limits: Pick<Limits, 'maxReplayBytes'>
  readonly hub: Pick<Hub, 'wait' | 'waitNoMore'>
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
  /** From now on broadcasts are delivered. */
  goLive: (subscription: Subscription) => void
  /** Something may be missing. */
  missed: (subscription: Subscription, code: GapCode) => void
}

interface Turn {
  readonly subscription: Subscription
  readonly start: Exclude<Start, 'now'>
  /** Whether the client asked for history, and so is told how it went. */
  readonly asked: boolean
}

export class CatchUp {
  readonly #session: Behind
  /** `undefined`: nobody waits. */
  #turns: Turn[] | undefined
  /** `undefined`: no subscription waits. */
  #held: Held | undefined

  constructor(session: Behind) {
    this.#session = session
  }

  /** Sends what came after `start`, now or when its turn comes, then makes the subscription live. */
  from(start: Start, subscription: Subscription, asked: boolean): void {
    const { history } = this.#session
    if (history === undefined) return this.#without(start, subscription, asked)
    // «Now» is now, not when its turn comes.
    const pinned: Turn['start'] = start === 'now' ? { offset: history.offset, epoch: history.epoch } : start
    const turn = { subscription, start: pinned, asked }
    if (this.#turns === undefined && !this.#session.connection.congested()) return this.#take(turn, history)
    this.wait(subscription)
    this.#turns ??= []
    this.#turns.push(turn)
    this.resume()
  }

  /** The subscription is not live before its turn comes, and must miss nothing until then. */
  wait(subscription: Subscription): void {
    const { history } = this.#session
    if (history === undefined || subscription.state !== 'waiting') return
    this.#held ??= new Held(this.#session, history)
    this.#held.keep(subscription)
  }

  /** Whether history that was asked for still has to be sent. */
  isAsked(subscription: Subscription): boolean {
    return this.#turns?.some(turn => turn.asked && turn.subscription === subscription) ?? false
  }

  /** It is over: nothing waits for it. */
  leave(subscription: Subscription): void {
    this.#endWait(subscription)
    this.#turns = this.#turns?.filter(turn => turn.subscription !== subscription)
  }

  /** Goes on as far as the connection can take it. */
  resume(): void {
    const turns = this.#turns
    if (turns === undefined) return
    while (turns.length > 0 && !this.#session.connection.congested()) {
      const turn = turns.shift()!
      if (turn.subscription.state !== 'over') this.#take(turn, this.#session.history!)
    }
    if (turns.length === 0) this.#turns = undefined
  }

  #take({ subscription, start, asked }: Turn, history: History): void {
    const { connection, limits } = this.#session
    const { identifier, grant } = subscription
    const late = this.#endWait(subscription)
    const found = start === 'gap' ? 'gap' : this.#find(subscription, start, history)
    const isTooMuch =
      found === 'gap' || late === 'gap' || bytesOf(inOrder(found, late), identifier) > limits.maxReplayBytes
    if (isTooMuch) {
      if (asked) connection.send(rejectHistory(identifier))
      // No refresh and no other history would bring these.
      if (late !== 'gap')
        for (const frame of this.#framed(subscription, inOrder([], late), history)) connection.send(frame)
      if (!this.#goLive(subscription, history.offset)) return
      return this.#session.missed(subscription, found === 'gap' ? whyGap(start, history) : 'gap_too_large')
    }
    const frames = this.#framed(subscription, inOrder(found, late), history)
    const tells = grant.events && (asked || frames.length > 0)
    if (tells) connection.send(catchingUp(identifier, frames.length))
    for (const frame of frames) connection.send(frame)
    if (tells) connection.send(caughtUp(identifier, frames.length))
    if (asked) connection.send(confirmHistory(identifier))
    this.#goLive(subscription, before(start, found, history))
  }

  #endWait(subscription: Subscription): readonly Late[] | 'gap' {
    const late = this.#held?.take(subscription) ?? []
    if (this.#held?.idle) this.#held = undefined
    return late
  }

  #framed({ identifier, grant }: Subscription, messages: Iterable<Entry | Message>, { epoch }: History): Buffer[] {
    const frames: Buffer[] = []
    let prefix: Buffer | undefined
    for (const message of messages) {
      if (!('offset' in message)) {
        frames.push(textFrame(broadcastPrefix(identifier, message.type), message.body))
        continue
      }
      const { offset, body, exclude } = message
      if (exclude !== undefined && this.#session.answersTo(exclude)) continue
      prefix ??= broadcastPrefix(identifier)
      frames.push(textFrame(prefix, body, positionTail(grant.stream, { offset, epoch })))
    }
    return frames
  }

  #find(
    { grant, state, covered }: Subscription,
    start: Position | { since: number },
    history: History,
  ): readonly Entry[] | 'gap' {
    const entries = 'since' in start ? history.since(grant.stream, start.since) : history.after(grant.stream, start)
    // What a live subscription has been sent already is not sent again.
    return entries === 'gap' || state !== 'live' ? entries : entries.filter(({ offset }) => offset <= covered)
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

  /** Without a history a page's position says nothing, and only who asks is told that there is none. */
  #without(start: Start, subscription: Subscription, asked: boolean): void {
    if (asked)
      this.#session.connection.send(
        start === 'now' ? confirmHistory(subscription.identifier) : rejectHistory(subscription.identifier),
      )
    this.#goLive(subscription, 0)
  }
}

/** Bytes that frames of the messages take, without making them. */
function bytesOf(messages: Iterable<Entry | Message>, identifier: string): number {
  let bytes = 0
  for (const { body } of messages) bytes += body.length + identifier.length
  return bytes
}

const whyGap = (start: Turn['start'], { epoch }: History): GapCode =>
  start === 'gap' || 'since' in start ? 'gap_position_unknown' : start.epoch === epoch ? 'gap_too_old' : 'gap_restarted'

/** The offset after which everything was sent. */
function before(start: Turn['start'], [first]: readonly Entry[], history: History): number {
  if (start !== 'gap' && 'offset' in start) return start.offset
  return first === undefined ? history.offset : first.offset - 1
}
