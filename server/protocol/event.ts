/**
 * Formats a frame as a server-sent event, and reads the id with which a browser reconnects.
 *
 *   {"identifier":I,"message":"<b>\n</b>","stream_id":"board/1","epoch":"aZ3x","offset":12}
 *
 *   data: <b>
 *   data: </b>
 *   id: 12/aZ3x/board/1
 *
 * Frames have the fixed shapes of action-cable.ts and extended.ts, so we cut them and never parse them: a message is a
 * backend's JSON text, of any depth, and we send it unchanged. We cut at `,"message":` and `,"stream_id":`. Inside a JSON
 * string a backslash precedes every quote, so neither matches inside one. Pure.
 */

import { endOfString, isTooDeep } from './json.ts'
import { type Position, parsePosition } from './position.ts'

/** The last event that a browser saw: its Last-Event-ID. */
export interface Seen {
  readonly stream: string
  readonly position: Position
}

/** How one client wants its events. */
export interface Format {
  /** Sends only broadcasts and gaps: no welcome and no confirmation, and a comment for a ping. */
  readonly raw: boolean
  /** Sends the message of a broadcast without its frame. */
  readonly unwrapped: boolean
  /** Leaves out the ids: the client would resume behind a message that it does not have. */
  readonly withoutIds?: boolean
}

/** A year: the protocol has no word for "stop", only for how long a browser waits before it reconnects. */
const NEVER_MS = 365 * 24 * 3600 * 1000
const RETRY_NEVER = `retry: ${NEVER_MS}\n`

/** Returns an event as text, empty for a frame that this client does not want. `frame` is JSON text. */
export function formatEvent(frame: string, { raw, unwrapped, withoutIds }: Format): string {
  const type = typeOf(frame)
  const retry = isFinal(frame) ? RETRY_NEVER : ''
  if (raw && type !== undefined && type !== 'reject_history')
    return type === 'ping' ? ':\n\n' : retry === '' ? '' : `${retry}\n`
  const place = placeOf(frame)
  const data = unwrapped && type === undefined ? textOf(messageOf(frame, place)) : frame
  const event = type === undefined ? '' : `event: ${type.replace(LINE_ENDS, ' ')}\n`
  const lines = data.replace(LINE_ENDS, '\ndata: ')
  const id = place === undefined || withoutIds ? '' : `id: ${eventId(place.stream, place.position)}\n`
  return `${event}data: ${lines}\n${id}${retry}\n`
}

/** Formats a message that an application wrote, with its keys in any order; any other text is a message without a name. */
export function formatTransmission(text: string, format: Format): string {
  const { type, identifier, message, reason, reconnect, ...rest } = recordOf(text)
  if (typeof type === 'string')
    return formatEvent(JSON.stringify({ type, reason, reconnect, identifier, message, ...rest }), format)
  if (typeof identifier === 'string' && message !== undefined)
    return formatEvent(JSON.stringify({ identifier, ...rest, message }), format)
  return `data: ${text.replace(LINE_ENDS, '\ndata: ')}\n\n`
}

function recordOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = isTooDeep(text) ? undefined : JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** An id without an event: the Last-Event-ID of a browser that reconnects before its first message. */
export const formatLastEventId = (stream: string, position: Position): string => `id: ${eventId(stream, position)}\n\n`

/** Node decodes a header's bytes as Latin-1; browsers send UTF-8. */
export function readEventId(header: string | undefined): Seen | 'unknown' | undefined {
  if (header === undefined || header === '') return undefined
  const text = Buffer.from(header, 'latin1').toString()
  const [, place, name] = /^(\d+\/[^/]+)\/(.+)$/s.exec(text) ?? []
  const position = parsePosition(place)
  if (name === undefined || typeof position !== 'object') return 'unknown'
  try {
    return { stream: decodeURIComponent(name), position }
  } catch {
    return 'unknown'
  }
}

/** An id is one line and becomes a header, so we escape all characters of a name that are not plain ASCII. */
const eventId = (stream: string, { offset, epoch }: Position): string =>
  `${offset}/${epoch}/${stream.toWellFormed().replace(/[^!-$&-~]+/gu, encodeURIComponent)}`

const LINE_ENDS = /\r\n|\r|\n/g

const TYPE = '{"type":'

function typeOf(frame: string): string | undefined {
  if (!frame.startsWith(TYPE)) return undefined
  return JSON.parse(frame.slice(TYPE.length, endOfString(frame, TYPE.length) + 1))
}

const isFinal = (frame: string): boolean => /^\{"type":"disconnect","reason":"\w+","reconnect":false/.test(frame)

/** A message's position in the history, and the index in the frame where it begins. */
interface Place {
  readonly at: number
  readonly stream: string
  readonly position: Position
}

const STREAM = ',"stream_id":'
const POSITION = /,"epoch":"([\w-]+)","offset":(\d+)\}$/
const LONGEST_POSITION = 128

function placeOf(frame: string): Place | undefined {
  const [text, epoch, offset] = POSITION.exec(frame.slice(-LONGEST_POSITION)) ?? []
  if (text === undefined || epoch === undefined) return undefined
  const end = frame.length - text.length
  const at = frame.lastIndexOf(STREAM, end)
  return { at, stream: JSON.parse(frame.slice(at + STREAM.length, end)), position: { offset: Number(offset), epoch } }
}

const MESSAGE = ',"message":'

const messageOf = (frame: string, place: Place | undefined): string =>
  frame.slice(frame.indexOf(MESSAGE) + MESSAGE.length, place?.at ?? -1)

/** Decodes a JSON string; returns any other JSON text unchanged. */
const textOf = (message: string): string => (/^[ \t\r\n]*"/.test(message) ? JSON.parse(message) : message)
