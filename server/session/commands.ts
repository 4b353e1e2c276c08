/**
 * Commands: a table from the name of each to its needs and its act.
 *
 * The protocol has no words for a command that we ignore, so an act returns the complaint, which only the operator sees.
 */
import { type Soon, soon } from '../base/soon.ts'
import type { ComplaintCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import type { Tell } from '../hub/tell.ts'
import { type Attendance, type Presence, printAttendance } from '../presence/presence.ts'
import { type Command, PONG, transmission } from '../protocol/action-cable.ts'
import type { CatchUp } from './catch-up.ts'
import type { Limits } from './limits.ts'
import { allowed, asksForHistory, historyStart } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of a session that commands use. */
export interface Speaker {
  readonly sid: string
  readonly catchUp: CatchUp
  readonly connection: Pick<Connection, 'send' | 'congested'>
  subscribe: (command: Command) => unknown
  unsubscribe: (subscription: Subscription) => void
  perform: (command: Command, held: Subscription | undefined) => void
}

/** The shared parts that commands use. */
export interface CommandParts {
  /** Tells all nodes' sessions that listen to the stream. */
  readonly tell: Tell
  readonly presence: Presence | undefined
  readonly limits: Limits
  /** Whether clients may ask for the messages since a time. */
  readonly historySince: boolean
}

type Complaint = ComplaintCode | undefined

/** A presence that is elsewhere answers later; other commands do not wait for it. */
type Answer = Soon<Complaint>

/** A command about the session, or about a subscription that it has. */
type Row =
  | {
      readonly about: 'session'
      readonly isFree?: undefined
      readonly act: (session: Speaker, command: Command, held?: Subscription) => Complaint
    }
  | {
      readonly about: 'subscription'
      readonly act: (session: Speaker, command: Command, held: Subscription, parts: CommandParts) => Answer
      /** Does not count for the client's rate. */
      readonly isFree?: true
    }

type Act = Extract<Row, { about: 'subscription' }>['act']

const history: Act = ({ catchUp }, { history }, held, { historySince }) => {
  const { streams, position } = held.grant
  const asked = allowed(history, historySince)
  if (!asksForHistory(asked) && (asked === undefined || position === undefined)) return 'history_unusable'
  if (catchUp.isAsked(held)) return 'history_waiting'
  catchUp.from(historyStart(streams, position, asked), held, true)
  return undefined
}

const whisper: Act = ({ sid }, { data = '' }, { grant }, { tell, limits }) => {
  if (grant.whisper === undefined) return 'whisper_not_allowed'
  if (Buffer.byteLength(data) > limits.maxWhisperSize) return 'whisper_too_large'
  // The reference sends the word "null" if there is no data.
  const message = data === '' || data === 'null' ? '"null"' : data
  tell(grant.whisper, { message, exclude: sid, fromClient: true })
  return undefined
}

export const join: Act = ({ sid }, { presence: member }, { grant }, { presence, limits }) => {
  if (grant.presence === undefined || presence === undefined) return 'presence_not_allowed'
  if (member === undefined) return 'presence_id_missing'
  if (Buffer.byteLength(member.id) + Buffer.byteLength(member.info ?? '') > limits.maxPresenceInfoSize)
    return 'presence_info_too_large'
  const joined = presence.join(grant.presence, sid, member.id, member.info)
  return soon(joined, joined => (joined === 'mismatch' ? 'presence_id_mismatch' : undefined))
}

export const leave: Act = ({ sid }, _, { grant }, { presence }) => {
  return grant.presence === undefined ? undefined : soon(presence?.leave(grant.presence, sid), () => undefined)
}

const present: Act = ({ connection }, { identifier }, held, { presence }) => {
  const { presence: stream } = held.grant
  const send = (message: string) => {
    if (held.state !== 'over') connection.send(transmission(identifier, message, 'presence'))
    return undefined
  }
  if (stream === undefined || presence === undefined) return send('{"type":"error","total":0}')
  const answer = (most?: number) => soon(presence.present(stream, most), printAnswer)
  return soon(answer(), whole =>
    // A short question gets a long answer: a client that asks and does not read would fill our memory.
    connection.congested(Buffer.byteLength(whole)) ? soon(answer(0), send) : send(whole),
  )
}

const printAnswer = (attendance: Attendance): string =>
  attendance.total === 0 ? '{"type":"info","total":0}' : printAttendance(attendance)

const subscribe = (session: Speaker, command: Command, held?: Subscription): Complaint => {
  if (held?.confirmed) return 'already_subscribed'
  session.subscribe(command)
  return undefined
}

const unsubscribe: Act = (session, _, held) => {
  session.unsubscribe(held)
  return undefined
}

const perform = (session: Speaker, command: Command, held?: Subscription): Complaint => {
  session.perform(command, held)
  return undefined
}

const answerPing = ({ connection }: Speaker): Complaint => {
  connection.send(PONG)
  return undefined
}

export const COMMANDS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['subscribe', { about: 'session', act: subscribe }],
  // The unsubscribes of the last page must not delay the subscribes of the next one.
  ['unsubscribe', { about: 'subscription', act: unsubscribe, isFree: true }],
  ['history', { about: 'subscription', act: history }],
  ['whisper', { about: 'subscription', act: whisper }],
  ['join', { about: 'subscription', act: join }],
  ['leave', { about: 'subscription', act: leave }],
  ['presence', { about: 'subscription', act: present }],
  ['ping', { about: 'session', act: answerPing }],
  ['pong', { about: 'session', act: () => undefined }],
  ['message', { about: 'session', act: perform }],
])
