/**
 * Action Cable's JSON, in and out, as AnyCable speaks it.
 *
 *   in   {"command":"subscribe","identifier":"{\"channel\":…}"}
 *   out  {"type":"confirm_subscription","identifier":"{\"channel\":…}"}
 *
 * Keys go out in the reference's order. An identifier is opaque: we echo the same string, and never parse and
 * print it again, because clients compare it byte for byte. Pure.
 */
import { ENDINGS, type EndingCode, REJECTIONS, type RejectionCode, TEMPORARY_REJECTIONS } from '../errors.ts'
import { frameOf, textFrame } from './frame.ts'
import { isTooDeep, memberOf } from './json.ts'
import { payloadOf } from './payload.ts'

/** A refresh follows, is held back (the last was less than 30 s ago), or is off: we ask no page to refresh. */
export type RefreshFate = 'coming' | 'held-back' | 'off'

/** The `history` of a command, not validated yet. */
export interface HistoryRequest {
  since?: unknown
  streams?: unknown
}

export interface Command {
  command: string
  identifier: string
  /** JSON text, as the client sent it. */
  data?: string | undefined
  history?: HistoryRequest
  /** `info` is JSON text, as the client sent it. */
  presence?: { id: string; info: string | undefined }
  /** When it came, if it had to wait; by the session's clock, ms. */
  cameAt?: number
}

/** Returns `undefined` for a text that is not a command, or is nested too deep. */
export function parseCommand(text: string): Command | undefined {
  if (isTooDeep(text)) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const { data, history, presence } = value
  // Some serializers write `null` for an absent field.
  const [command, identifier] = [value.command ?? '', value.identifier ?? '']
  if (typeof command !== 'string' || typeof identifier !== 'string') return undefined
  const parsed: Command = { command, identifier }
  if (data !== undefined) parsed.data = memberOf(text, 'data')
  if (isRecord(history)) parsed.history = history
  if (isRecord(presence) && typeof presence.id === 'string')
    parsed.presence = { id: presence.id, info: memberOf(memberOf(text, 'presence')!, 'info') }
  return parsed
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `explain` (--dev): lets the page report probable mistakes in its console. Stock clients ignore the key. */
export const welcome = (sid: string, explain: boolean): Buffer =>
  encode({ type: 'welcome', sid, dev: explain || undefined })

export type PingPrecision = 's' | 'ms' | 'ns'

/** `time` is Unix time in ms. A JavaScript number cannot hold nanoseconds, so we append digits. */
export const ping = (time: number, precision: PingPrecision = 's'): Buffer =>
  frameOf(
    `{"type":"ping","message":${precision === 's' ? Math.floor(time / 1000) : `${Math.floor(time)}${precision === 'ns' ? '000000' : ''}`}}`,
  )

export const PONG = encode({ type: 'pong' })

/** `refresh`: the page may miss messages; says whether a refresh follows. Stock clients ignore that key. */
export const confirmSubscription = (identifier: string, refresh?: RefreshFate): Buffer =>
  encode({ type: 'confirm_subscription', identifier, refresh })

/** Stock clients ignore the keys `code` and `fix`; `explain` is --dev. */
export const rejectSubscription = (identifier: string, code: RejectionCode, explain: boolean): Buffer =>
  encode({
    type: 'reject_subscription',
    identifier: identifier === '' ? undefined : identifier,
    code: explain || TEMPORARY_REJECTIONS.has(code) ? code : undefined,
    fix: explain ? REJECTIONS[code] : undefined,
  })

/** `reconnect` is always there: @rails/actioncable takes its absence for "never come back". */
export function disconnect(code: EndingCode, explain: boolean, reconnect: boolean = ENDINGS[code].reconnect): Buffer {
  const { tell, fix } = ENDINGS[code]
  return encode({ type: 'disconnect', reason: tell, reconnect, ...(explain ? { code, fix } : {}) })
}

/** Returns the start of a broadcast frame, up to the message. All messages to this identifier have the same. */
export const broadcastPrefix = (identifier: string, type?: string): Buffer =>
  Buffer.from(
    `{${type === undefined ? '' : `"type":${JSON.stringify(type)},`}"identifier":${JSON.stringify(identifier)},"message":`,
  )

/** Returns a frame with `message`, which is JSON text, and its identifier. */
export const transmission = (identifier: string, message: string, type?: string): Buffer =>
  textFrame(broadcastPrefix(identifier, type), payloadOf(message))

export function encode(message: object): Buffer {
  return frameOf(JSON.stringify(message))
}
