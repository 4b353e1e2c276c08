/**
 * Action Cable's JSON, in and out, as AnyCable speaks it.
 *
 *   in   {"command":"subscribe","identifier":"{\"channel\":…}"}
 *   out  {"type":"confirm_subscription","identifier":"{\"channel\":…}"}
 *
 * Keys go out in the reference's order. An identifier is opaque: it is echoed as the same string, never parsed and
 * printed again, because clients compare it byte for byte. Pure.
 */
import { ENDINGS, type EndingCode, REJECTIONS, type RejectionCode } from '../errors.ts'
import { textFrame } from './frame.ts'

export interface Command {
  command: string
  identifier: string
  data?: unknown
}

/** A command, or `undefined` for anything that is not one. `null` is ignored by the reference as well. */
export function parseCommand(text: string): Command | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { command = '', identifier = '', data } = value as Record<string, unknown>
  if (typeof command !== 'string' || typeof identifier !== 'string') return undefined
  return { command, identifier, data }
}

export const welcome = (sid: string): Buffer => encode({ type: 'welcome', sid })

/** `time` is Unix seconds. */
export const ping = (time: number): Buffer => encode({ type: 'ping', message: time })

export const confirmSubscription = (identifier: string): Buffer => encode({ type: 'confirm_subscription', identifier })

/** With `explain` (--dev) the client is told the code and the fix, in keys that stock clients ignore. */
export const rejectSubscription = (identifier: string, code: RejectionCode, explain: boolean): Buffer =>
  encode({
    type: 'reject_subscription',
    identifier: identifier === '' ? undefined : identifier,
    ...(explain ? { code, fix: REJECTIONS[code] } : {}),
  })

/** `reconnect` is always there: @rails/actioncable takes its absence for "never come back". */
export function disconnect(code: EndingCode, explain: boolean, reconnect: boolean = ENDINGS[code].reconnect): Buffer {
  const { tell, fix } = ENDINGS[code]
  return encode({ type: 'disconnect', reason: tell, reconnect, ...(explain ? { code, fix } : {}) })
}

/** What precedes the message in a broadcast frame; the same for every message to this identifier. */
export const broadcastPrefix = (identifier: string, type?: string): Buffer =>
  Buffer.from(
    `{${type === undefined ? '' : `"type":${JSON.stringify(type)},`}"identifier":${JSON.stringify(identifier)},"message":`,
  )

/** What follows it. */
export const BROADCAST_TAIL = Buffer.from('}')

const encode = (message: object): Buffer => textFrame(Buffer.from(JSON.stringify(message)))
