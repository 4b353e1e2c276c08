/**
 * A session's commands to the application: they change its subscriptions as the answers say, in the reference's order.
 *
 *   streams that stop ─▶ streams that begin ─▶ states ─▶ messages, verbatim ─▶ presence ─▶ the end of the connection
 */
import type { StreamGrant, Subscriber } from '../channels/channels.ts'
import type { ComplaintCode, EndingCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Command } from '../protocol/action-cable.ts'
import type { CommandResponse } from '../rpc/controller.ts'
import { changed } from '../rpc/states.ts'
import type { AppCalls } from './app-calls.ts'
import { regrant } from './app-grant.ts'
import type { CatchUpParts } from './catch-up.ts'
import type { Subscription } from './subscriptions.ts'
import { transmit } from './transmit.ts'

/** The part of a session that the application's answers change. */
export interface Performer extends Subscriber {
  readonly ended: boolean
  readonly connection: Pick<Connection, 'transmit'>
  /** Resolves once the subscription is live, or over. */
  whenLive: (subscription: Subscription) => Promise<void> | undefined
  /** Replaces the grant of a subscription, which is live if its streams change. */
  regrant: (subscription: Subscription, grant: StreamGrant) => void
  join: (command: Command, subscription: Subscription) => void
  leave: (subscription: Subscription) => void
  disconnect: (code: EndingCode) => void
  complain: (code: ComplaintCode) => void
}

/** The shared parts that a change of streams uses. */
export type StreamParts = Pick<CatchUpParts, 'listening' | 'later'>

/** Time that we wait for a broker until a new stream has begun. */
const OPENING_MS = 1_000

/** Performs an action of the channel. */
export async function perform(
  session: Performer,
  subscription: Subscription,
  { identifier, data = '' }: Command,
  calls: AppCalls,
  parts: StreamParts,
): Promise<void> {
  const text = textOf(data)
  if (text === undefined) return session.complain('message_not_text')
  const answer = await calls.command(
    { command: 'message', identifier, data: text },
    session,
    subscription.grant.istate!,
  )
  if (session.ended) return
  if (typeof answer === 'string') return session.complain(answer)
  await change(session, subscription, answer, parts)
  if (session.ended) return
  transmit(session.connection, answer.transmissions)
  finish(session, subscription, answer)
}

/** Tells the application that the client has unsubscribed, which has its effect whatever the answer is. */
export async function unsubscribe(
  session: Performer,
  { identifier, grant }: Subscription,
  calls: AppCalls,
): Promise<void> {
  const answer = await calls.command({ command: 'unsubscribe', identifier, data: '' }, session, grant.istate!)
  if (session.ended) return
  if (typeof answer === 'string') return session.complain(answer)
  transmit(session.connection, answer.transmissions)
  if (answer.disconnect) session.disconnect('app_closed')
}

/** The last part of an answer. */
export function finish(session: Performer, subscription: Subscription, answer: CommandResponse): void {
  const { presence, disconnect } = answer
  if (presence?.type === 'leave') session.leave(subscription)
  else if (presence !== undefined) {
    const { id, info } = presence
    const { identifier } = subscription
    session.join({ command: 'join', identifier, presence: { id, info: jsonOf(info) } }, subscription)
  }
  if (disconnect && !session.ended) session.disconnect('app_closed')
}

/** A stream that begins here begins now: before the client gets the messages of the answer. */
async function change(
  session: Performer,
  subscription: Subscription,
  answer: CommandResponse,
  { listening, later }: StreamParts,
): Promise<void> {
  const { streams, istate } = subscription.grant
  const next = streamsAfter(streams, answer)
  const states = changed(istate!, answer.env.istate)
  const begun = next.filter(stream => !streams.includes(stream))
  const areEqual = begun.length === 0 && next.length === streams.length
  if (areEqual && states === istate) return
  if (!areEqual) await session.whenLive(subscription)
  if (session.ended) return
  session.regrant(subscription, regrant(subscription.grant, next, states))
  const opening = begun.length === 0 ? undefined : listening.opening(begun)
  if (opening !== undefined) await Promise.race([opening, new Promise<void>(resolve => later(OPENING_MS, resolve))])
}

function streamsAfter(streams: readonly string[], answer: CommandResponse): readonly string[] {
  const left = answer.stop_streams ? [] : streams.filter(stream => !answer.stopped_streams.includes(stream))
  return [...new Set([...left, ...answer.streams])]
}

/** The text that the client sent as JSON; `undefined`: it sent something else. */
function textOf(data: string): string | undefined {
  const value: unknown = data === '' ? undefined : JSON.parse(data)
  return typeof value === 'string' ? value : undefined
}

/** The info of a member is JSON text; any other text becomes a JSON string. */
function jsonOf(info: string): string | undefined {
  if (info === '') return undefined
  try {
    JSON.parse(info)
    return info
  } catch {
    return JSON.stringify(info)
  }
}
