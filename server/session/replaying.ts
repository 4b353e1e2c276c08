/**
 * The replay of one subscription: which messages it sends or why it is a gap, its frames, and the step to live messages.
 */
import type { Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Message } from '../hub/hub.ts'
import type { RefreshFate } from '../protocol/action-cable.ts'
import { confirmHistory, rejectHistory } from '../protocol/extended.ts'
import { catchingUp, caughtUp } from '../protocol/source-events.ts'
import { type HeldMessages, inOrder } from './held-messages.ts'
import type { HistoryReader } from './read-history.ts'
import { bytesOf, coveredFrom, framesOf, lastOf, type Missed, type Now, type PinnedStart, whyGap } from './replay.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of a session that catching up uses. */
export interface Behind {
  /** `congested`: whether a replay should wait, because the write queue is long. */
  readonly connection: Pick<Connection, 'send' | 'congested'>
  /** Whether the session has, or had, this sid. */
  answersTo: (sid: string) => boolean
  /** The replay of a subscription is over. */
  replayed: () => void
  /** Begins to deliver broadcasts. */
  goLive: (subscription: Subscription) => void
  /** The action that follows a gap of this subscription. */
  fate: (subscription: Subscription) => RefreshFate | undefined
  /** Tells the session that the subscription may have missed messages. `isTold`: its client knows, or never asks. */
  missed: (subscription: Subscription, code: GapCode, isTold: boolean) => void
  /** Ends the session after a bug. Never throws. */
  fail: (error: unknown) => void
}

/** A replay that waits for its turn, or runs. */
export interface PendingReplay {
  readonly subscription: Subscription
  readonly start: PinnedStart
  /** Whether the client asked for history, and so gets an answer. */
  readonly asked: boolean
}

interface Replay {
  readonly messages: readonly Missed[]
  /** An estimate. */
  readonly bytes: number
  /** If set, `messages` are the held ones alone: neither a refresh nor a later `history` command could bring them. */
  readonly gap: GapCode | undefined
  /** The last offset that the client has after it, or knows that it may lack. */
  readonly last: number
  /** The client has, or gets, every message after this offset. */
  readonly covered: number
}

/** Returns what to send. `found`: the history's answer. */
export function replayOf(
  { subscription, start }: PendingReplay,
  found: readonly Entry[] | 'gap',
  held: HeldMessages | undefined,
  now: Now,
  maxBytes: number,
): Replay {
  const kept = held?.messages(subscription) ?? []
  const heldGap = held?.gap(subscription)
  if (found !== 'gap' && heldGap === undefined) {
    const last = lastOf(start, found)
    const messages = inOrder(found, kept, last)
    const bytes = bytesOf(messages, subscription, now)
    const covered = before(messages, coveredFrom(subscription.grant.streams, start, found, now.seen))
    if (bytes <= maxBytes) return { messages, bytes, gap: undefined, last, covered }
  }
  const messages = inOrder([], kept, 0)
  const gap = heldGap ?? (found === 'gap' ? whyGap(start, now.epoch) : 'gap_too_large')
  // (The feed may bring some of the messages before `covered`: the client knows that it may lack them, and may ask for them.)
  const covered = before(messages, now.seen)
  return { messages, bytes: bytesOf(messages, subscription, now), gap, last: covered, covered }
}

/** (A later `history` command must not bring again what we send now.) */
function before(messages: readonly Missed[], covered: number): number {
  const stored = messages.find(({ offset }) => offset !== undefined)
  return stored?.offset === undefined ? covered : Math.min(covered, stored.offset - 1)
}

/** Sends the messages, and the answer if the client asked for history. */
export function sendReplay(
  session: Behind,
  { subscription, asked }: PendingReplay,
  { messages, gap }: Replay,
  epoch: string,
): void {
  const { connection } = session
  const { identifier, grant } = subscription
  if (gap !== undefined) {
    if (asked) connection.send(rejectHistory(identifier, session.fate(subscription)))
    return sendMessages(session, subscription, messages, epoch)
  }
  const frames = framesOf(subscription, messages, epoch, sid => session.answersTo(sid))
  const tells = grant.events && (asked || frames.length > 0)
  if (tells) connection.send(catchingUp(identifier, frames.length))
  for (const frame of frames) connection.send(frame)
  if (tells) connection.send(caughtUp(identifier, frames.length))
  if (asked) connection.send(confirmHistory(identifier))
}

/**
 * Returns a function that takes each message while the feed is behind the replay: it drops stored ones up to `last`. Once the
 * feed has passed `last`, it calls `end`, and the subscription joins the hub.
 */
export const followFeed =
  (session: Behind, subscription: Subscription, last: number, history: HistoryReader, end: () => void) =>
  (message: Message): void => {
    const { offset } = message
    if (history.seen >= last && (offset === undefined || offset > last)) {
      // (The hub is about to deliver this message to all that listen.)
      end()
      goLive(session, subscription)
    } else if (offset === undefined) sendMessages(session, subscription, [message], history.epoch)
  }

function sendMessages(session: Behind, subscription: Subscription, messages: readonly Missed[], epoch: string): void {
  for (const frame of framesOf(subscription, messages, epoch, sid => session.answersTo(sid)))
    session.connection.send(frame)
}

export function goLive(session: Behind, subscription: Subscription): void {
  subscription.state = 'live'
  session.goLive(subscription)
}

/** Without a history a page's position means nothing, so only a client that asks gets an answer. */
export function answerWithoutHistory(session: Behind, start: Start, subscription: Subscription, asked: boolean): void {
  const { identifier } = subscription
  if (asked) session.connection.send(start === 'now' ? confirmHistory(identifier) : rejectHistory(identifier))
  if (subscription.state !== 'waiting') return
  session.replayed()
  goLive(session, subscription)
}
