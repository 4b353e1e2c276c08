/**
 * Subscribing: a grant or a rejection, then the confirmation, then the replay.
 */
import type { StreamGrant } from '../channels/channels.ts'
import { type RejectionCode, SubscriptionRejected } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import { type Command, confirmSubscription, type RefreshFate } from '../protocol/action-cable.ts'
import type { CatchUp } from './catch-up.ts'
import type { SessionParts } from './session-parts.ts'
import { allowed, asksForHistory, type ClientPositions, eventStart } from './start.ts'
import type { Subscription, Subscriptions } from './subscriptions.ts'

/** The part of a session that subscribing uses. */
export interface Subscribing {
  readonly connection: Pick<Connection, 'send'>
  readonly catchUp: CatchUp
  readonly subscriptions: Subscriptions
  readonly ended: boolean
  add: (identifier: string, grant: StreamGrant) => Subscription
  reject: (identifier: string, rejection: SubscriptionRejected) => void
  /** The action that follows a gap of this subscription. */
  fate: (subscription: Subscription) => RefreshFate | undefined
  join: (command: Command, subscription: Subscription) => void
}

/**
 * Answers the client, and returns the subscription, or the code that rejected it. A client of server-sent events has
 * `positions`. It cannot ask for history later, so we answer every start but "now" with confirm_history or reject_history.
 */
export function subscribe(
  session: Subscribing,
  { identifier, history, presence }: Command,
  parts: SessionParts,
  positions?: ClientPositions,
): Subscription | RejectionCode {
  const subscription = session.subscriptions.get(identifier) ?? grantTo(session, identifier, parts)
  if (typeof subscription === 'string') return subscription
  const { grant, state } = subscription
  const asked = allowed(history, parts.historySince)
  subscription.confirmed = true
  const page = grant.position ?? positions?.page
  // A restored subscription has had its replay if its client has sent `history` before.
  const start = state !== 'waiting' ? 'now' : eventStart(grant.streams, page, asked, positions?.seen)
  const found = session.catchUp.find(start, subscription)
  const isGap = session.catchUp.isGap(start, found, subscription)
  session.connection.send(confirmSubscription(identifier, isGap ? session.fate(subscription) : undefined))
  session.catchUp.from(
    start,
    subscription,
    asksForHistory(asked) || (positions !== undefined && start !== 'now'),
    found,
  )
  if (presence !== undefined && !session.ended) {
    session.join({ command: 'join', identifier, presence }, subscription)
  }
  return subscription
}

function grantTo(
  session: Subscribing,
  identifier: string,
  { resolve, limits }: SessionParts,
): Subscription | RejectionCode {
  try {
    session.subscriptions.check(identifier, limits)
    return session.add(identifier, resolve(identifier))
  } catch (error) {
    if (!(error instanceof SubscriptionRejected)) throw error
    session.reject(identifier, error)
    return error.code
  }
}
