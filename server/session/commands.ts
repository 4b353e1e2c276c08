/**
 * Commands about a subscription that a session has: a table from their names to what they do.
 *
 * Each returns what is wrong with it, if anything; the client is not told, as the protocol has no words for it.
 */

import type { ComplaintCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Hub } from '../hub/hub.ts'
import { type Presence, printAttendance } from '../presence/presence.ts'
import { type Command, transmission } from '../protocol/action-cable.ts'
import type { CatchUp } from './catch-up.ts'
import type { Limits } from './limits.ts'
import { asksForHistory, historyStart } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** What a command needs of the session that it came from. */
export interface Speaker {
  readonly sid: string
  readonly catchUp: CatchUp
  readonly hub: Pick<Hub, 'broadcast'>
  readonly presence: Presence | undefined
  readonly limits: Limits
  readonly connection: Pick<Connection, 'send' | 'congested'>
}

type Act = (from: Speaker, subscription: Subscription, command: Command) => ComplaintCode | undefined

const history: Act = ({ catchUp }, subscription, { history }) => {
  const { stream, position } = subscription.grant
  if (!asksForHistory(history) && (history === undefined || position === undefined)) return 'history_unusable'
  if (catchUp.isAsked(subscription)) return 'history_waiting'
  catchUp.from(historyStart(stream, position, history), subscription, true)
  return undefined
}

const whisper: Act = ({ sid, hub, limits }, { grant }, { data = '' }) => {
  if (!grant.whisper) return 'whisper_not_allowed'
  if (Buffer.byteLength(data) > limits.maxWhisperSize) return 'whisper_too_large'
  // The reference sends the word "null" where there is nothing.
  const body = Buffer.from(`${data === '' || data === 'null' ? '"null"' : data}}`)
  hub.broadcast({ stream: grant.stream, body, exclude: sid, fromClient: true, transient: true })
  return undefined
}

export const join: Act = ({ sid, presence, limits }, { grant }, { presence: who }) => {
  if (!grant.presence || presence === undefined) return 'presence_not_allowed'
  if (who === undefined) return 'presence_id_missing'
  if (Buffer.byteLength(who.id) + Buffer.byteLength(who.info ?? '') > limits.maxPresenceInfoSize)
    return 'presence_info_too_large'
  return presence.join(grant.stream, sid, who.id, who.info) === 'mismatch' ? 'presence_id_mismatch' : undefined
}

const leave: Act = ({ sid, presence }, { grant }) => {
  presence?.leave(grant.stream, sid)
  return undefined
}

const present: Act = ({ presence, connection }, { identifier, grant }) => {
  const answer = (most?: number) => {
    const attendance = grant.presence ? presence?.present(grant.stream, most) : undefined
    if (attendance === undefined) return '{"type":"error","total":0}'
    return attendance.total === 0 ? '{"type":"info","total":0}' : printAttendance(attendance)
  }
  const whole = answer()
  // The question is short and the answer long: a client that asks and does not read would fill the memory.
  const message = connection.congested(Buffer.byteLength(whole)) ? answer(0) : whole
  connection.send(transmission(identifier, message, 'presence'))
  return undefined
}

export const COMMANDS: ReadonlyMap<string, Act> = new Map([
  ['history', history],
  ['whisper', whisper],
  ['join', join],
  ['leave', leave],
  ['presence', present],
])
