/**
 * Subscribing: a grant or a rejection, then the confirmation, then the replay.
 */
import { type Soon, soon } from '../base/soon.ts'
import type { AnsweredGrant, StreamGrant, Subscriber } from '../channels/channels.ts'
import { type RejectionCode, SessionRefused, SubscriptionRejected } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import { type Command, confirmSubscription, type RefreshFate } from '../protocol/action-cable.ts'
import type { CommandResponse } from '../rpc/controller.ts'
import type { Performer } from './app-session.ts'
import type { CatchUp } from './catch-up.ts'
import type { SessionParts } from './session-parts.ts'
import { allowed, asksForHistory, type ClientPositions, eventStart } from './start.ts'
import type { Subscription, Subscriptions } from './subscriptions.ts'
import { transmit } from './transmit.ts'

/** The part of a session that subscribing uses. */
export interface Subscribing extends Subscriber, Performer {
  readonly connection: Pick<Connection, 'send' | 'transmit'>
  readonly catchUp: CatchUp
  readonly subscriptions: Subscriptions
  readonly ended: boolean
  add: (identifier: string, grant: StreamGrant) => Subscription
  reject: (identifier: string, rejection: SubscriptionRejected) => void
  /** The action that follows a gap of this subscription. */
  fate: (subscription: Subscription) => RefreshFate | undefined
  join: (command: Command, subscription: Subscription) => void
}

/** A subscription, the code that rejected it, or `over`: the session ended before the answer came. */
export type Subscribed = Subscription | RejectionCode | 'over'

/**
 * Answers the client, and returns the result. A client of server-sent events has `positions`. It cannot ask for history
 * later, so we answer every start but "now" with confirm_history or reject_history.
 */
export function subscribe(
  session: Subscribing,
  command: Command,
  parts: SessionParts,
  positions?: ClientPositions,
): Soon<Subscribed> {
  const held = session.subscriptions.get(command.identifier)
  return soon(held ?? grantTo(session, command, parts), granted => {
    if (typeof granted === 'string') return granted
    const isAnswered = 'answer' in granted
    const subscription = isAnswered ? session.add(command.identifier, granted.grant) : granted
    confirm(session, subscription, command, parts, positions, isAnswered ? granted.answer : undefined)
    return subscription
  })
}

/** Confirms the subscription, and begins its replay. */
function confirm(
  session: Subscribing,
  subscription: Subscription,
  { identifier, history, presence }: Command,
  parts: SessionParts,
  positions: ClientPositions | undefined,
  answer: CommandResponse | undefined,
): void {
  const { grant, state } = subscription
  const asked = allowed(history, parts.historySince)
  subscription.confirmed = true
  const page = grant.position ?? positions?.page
  // A restored subscription has had its replay if its client has sent `history` before.
  const start = state !== 'waiting' ? 'now' : eventStart(grant.streams, page, asked, positions?.seen)
  const found = session.catchUp.find(start, subscription)
  const isGap = session.catchUp.isGap(start, found, subscription)
  if (answer !== undefined) transmit(session.connection, answer.transmissions)
  else session.connection.send(confirmSubscription(identifier, isGap ? session.fate(subscription) : undefined))
  session.catchUp.from(
    start,
    subscription,
    asksForHistory(asked) || (positions !== undefined && start !== 'now'),
    found,
  )
  if (answer !== undefined && !session.ended) parts.app?.finish(session, subscription, answer)
  if (presence !== undefined && !session.ended) {
    session.join({ command: 'join', identifier, presence }, subscription)
  }
}

function grantTo(
  session: Subscribing,
  { identifier, cameAt }: Command,
  { resolve, limits }: SessionParts,
): Soon<Subscribed | AnsweredGrant> {
  const reject = (error: unknown) => {
    if (session.ended) return 'over'
    if (error instanceof SessionRefused) {
      session.disconnect(error.code)
      return 'over'
    }
    if (!(error instanceof SubscriptionRejected)) throw error
    session.reject(identifier, error)
    return error.code
  }
  const add = (granted: StreamGrant | AnsweredGrant) => {
    if (session.ended) return 'over'
    return 'answer' in granted ? granted : session.add(identifier, granted)
  }
  try {
    session.subscriptions.check(identifier, limits)
    const granted = resolve(identifier, session, cameAt)
    return granted instanceof Promise ? granted.then(add, reject) : add(granted)
  } catch (error) {
    return reject(error)
  }
}
