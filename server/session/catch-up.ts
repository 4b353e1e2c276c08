/**
 * Catching up: a subscription gets the messages that it missed before any live ones.
 *
 *   confirmed ─▶ replay ─▶ [confirm_history] ─▶ live
 *             ╰▶ gap ────▶ [reject_history] ──▶ live, and we ask a page to refresh
 *
 * A subscription joins the hub synchronously with the end of its replay, so it misses nothing between the two and gets
 * nothing twice. While it waits, transient-buffer.ts keeps the messages that the history does not hold. A session gets one
 * replay at a time, and none while much waits to be written, so that a long replay does not make it too slow.
 */

import type { Entry } from '../broker.ts'
import type { SyncBroker } from '../brokers/memory.ts'
import type { GapCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Message } from '../hub/hub.ts'
import { broadcastPrefix, type RefreshFate } from '../protocol/action-cable.ts'
import { confirmHistory, rejectHistory } from '../protocol/extended.ts'
import { textFrame } from '../protocol/frame.ts'
import { positionTail } from '../protocol/payload.ts'
import type { Position } from '../protocol/position.ts'
import { catchingUp, caughtUp } from '../protocol/source-events.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'
import { type BufferParts, inOrder, TransientBuffer, type TransientMessage } from './transient-buffer.ts'

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
}

/** What catching up needs of the broker. */
export type History = Pick<SyncBroker, 'epoch' | 'seen' | 'after' | 'since'>

/** What catching up needs of what all sessions share. */
export interface CatchUpParts extends Omit<BufferParts, 'history'> {
  /** `undefined`: the cable keeps no history. */
  readonly history: History | undefined
}

interface Turn {
  readonly subscription: Subscription
  readonly start: Exclude<Start, 'now'>
  /** Whether the client asked for history, and so is told how it went. */
  readonly asked: boolean
}

export class CatchUp {
  readonly #session: Behind
  readonly #parts: CatchUpParts
  /** `undefined`: nobody waits. */
  #turns: Turn[] | undefined
  /** `undefined`: no subscription waits. */
  #transient: TransientBuffer | undefined

  constructor(session: Behind, parts: CatchUpParts) {
    this.#session = session
    this.#parts = parts
  }

  /** Whether, as of now, no replay brings what came after `start`. */
  isGap(start: Start, subscription: Subscription): boolean {
    const { history, limits } = this.#parts
    if (history === undefined || start === 'now') return false
    const found = start === 'gap' ? 'gap' : this.#find(subscription, start, history)
    return found === 'gap' || bytesOf(found, subscription, history) > limits.maxReplayBytes
  }

  /** Sends what came after `start`, now or when its turn comes, then makes the subscription live. */
  from(start: Start, subscription: Subscription, asked: boolean): void {
    const { history } = this.#parts
    if (history === undefined) return this.#without(start, subscription, asked)
    // Pin "now" to this moment, not to when the replay runs.
    const pinned: Turn['start'] = start === 'now' ? { offset: history.seen, epoch: history.epoch } : start
    const turn = { subscription, start: pinned, asked }
    if (this.#turns === undefined && this.#take(turn, history)) return
    this.wait(subscription)
    this.#turns ??= []
    this.#turns.push(turn)
  }

  /** Keeps transient messages for the subscription until its turn comes and it is live. */
  wait(subscription: Subscription): void {
    const { history } = this.#parts
    if (history === undefined || subscription.state !== 'waiting') return
    this.#transient ??= new TransientBuffer(this.#session, { ...this.#parts, history })
    this.#transient.keep(subscription)
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
    if (turns === undefined) return
    while (turns.length > 0) {
      const turn = turns.shift()!
      if (turn.subscription.state === 'over' || this.#take(turn, this.#parts.history!)) continue
      turns.unshift(turn)
      return
    }
    this.#turns = undefined
  }

  /** Returns false if the replay has to wait. */
  #take(turn: Turn, history: History): boolean {
    const { connection } = this.#session
    if (connection.congested(0)) return false
    const { subscription, start } = turn
    const transient = this.#transient?.messages(subscription) ?? []
    const kept = transient === 'gap' ? [] : transient
    const found = start === 'gap' ? 'gap' : this.#find(subscription, start, history)
    const size = found === 'gap' ? 0 : bytesOf(inOrder(found, kept), subscription, history)
    const isGap = found === 'gap' || transient === 'gap' || size > this.#parts.limits.maxReplayBytes
    if (connection.congested(isGap ? bytesOf(inOrder([], kept), subscription, history) : size)) return false
    this.#endWait(subscription)
    if (isGap) this.#skip(turn, kept, found === 'gap' ? whyGap(start, history) : 'gap_too_large', history)
    else this.#replay(turn, found, kept, history)
    return true
  }

  #skip({ subscription, asked }: Turn, transient: readonly TransientMessage[], code: GapCode, history: History): void {
    const { connection } = this.#session
    if (asked) connection.send(rejectHistory(subscription.identifier, this.#session.fate(subscription)))
    // Neither a refresh nor a later `history` command could bring the transient messages.
    for (const frame of this.#framed(subscription, inOrder([], transient), history)) connection.send(frame)
    if (this.#goLive(subscription, history.seen)) this.#session.missed(subscription, code)
  }

  #replay(
    { subscription, start, asked }: Turn,
    found: readonly Entry[],
    transient: readonly TransientMessage[],
    history: History,
  ): void {
    const { connection } = this.#session
    const { identifier, grant } = subscription
    const frames = this.#framed(subscription, inOrder(found, transient), history)
    const tells = grant.events && (asked || frames.length > 0)
    if (tells) connection.send(catchingUp(identifier, frames.length))
    for (const frame of frames) connection.send(frame)
    if (tells) connection.send(caughtUp(identifier, frames.length))
    if (asked) connection.send(confirmHistory(identifier))
    this.#goLive(subscription, before(start, found, history))
  }

  #endWait(subscription: Subscription): void {
    this.#transient?.end(subscription)
    if (this.#transient?.idle) this.#transient = undefined
  }

  #framed({ identifier, grant }: Subscription, messages: Iterable<Entry | Message>, { epoch }: History): Buffer[] {
    const frames: Buffer[] = []
    let prefix: Buffer | undefined
    for (const message of messages) {
      if (!('offset' in message)) {
        frames.push(textFrame(broadcastPrefix(identifier, message.type), message.payload))
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

/** Estimates the bytes of the messages' frames without encoding them. */
function bytesOf(messages: Iterable<Entry | Message>, { identifier, grant }: Subscription, history: History): number {
  let bytes = 0
  let rest: number | undefined
  for (const message of messages) {
    rest ??=
      broadcastPrefix(identifier).length +
      positionTail(grant.stream, { offset: history.seen, epoch: history.epoch }).length
    bytes += rest + ('offset' in message ? message.body : message.payload).length
  }
  return bytes
}

const whyGap = (start: Turn['start'], { epoch }: History): GapCode =>
  start === 'gap' || 'since' in start ? 'gap_position_unknown' : start.epoch === epoch ? 'gap_too_old' : 'gap_restarted'

/** The offset after which everything was sent. */
function before(start: Turn['start'], [first]: readonly Entry[], history: History): number {
  if (start !== 'gap' && 'offset' in start) return start.offset
  return first === undefined ? history.seen : first.offset - 1
}
