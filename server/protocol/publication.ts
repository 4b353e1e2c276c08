/**
 * Reads the body that a backend POSTs: one publication, many, or a command.
 *
 *   {"stream":"board/1","data":"\"<turbo-stream …>\"","meta":{"exclude_socket":"<sid>","id":"<random>","key":"bar"}}
 *   [{"stream":…,"data":…},…]                     we apply all, or none if one is invalid
 *   {"command":"disconnect","payload":{"identifier":"{\"user_id\":42}","reconnect":true}}
 *
 * `data` is a string that holds JSON, so HTML is encoded twice. We send a string that is not JSON as text.
 * AnyCable answers 201 to garbage. We refuse it with a reason, because a broadcast that reaches no client is the hardest
 * fault to debug.
 *
 * Serializers (C#, Java, PHP) write absent fields too: we take `null` as absent in an optional field, and `[]`, PHP's empty
 * array, as absent where an object belongs. Pure.
 */
import { RequestRefused } from '../errors.ts'
import { historyKey } from './publication-key.ts'

export interface Publication {
  stream: string
  /** JSON text, which we copy into the frame unchanged. */
  message: string
  /** The `sid` of a session that does not get this, on any of its subscriptions. */
  exclude?: string
  /** Becomes the frame's `type`. */
  type?: string
  /** Do not keep it in the history. */
  transient: boolean
  /** The name of this publication, the same in every retry: the cable publishes it once. */
  id?: string
  /** The history removes older messages of the stream with the same key. It is not what the backend wrote: see publication-key.ts. */
  key?: string
}

export interface RemoteDisconnect {
  /** The `ext` of the sessions' tokens. We compare it byte for byte. */
  identity: string
  reconnect: boolean
}

export type BackendRequest = { publications: Publication[] } | { disconnect: RemoteDisconnect }

/** Throws {@link RequestRefused} with `publication_malformed` and the place. */
export function parseRequest(body: string): BackendRequest {
  const value = parseJson(body)
  if (Array.isArray(value)) {
    if (value.length === 0) throw malformed('the list is empty')
    return { publications: value.map((item, at) => publication(item, `[${at}]`)) }
  }
  if (isRecord(value) && isAbsent(value.stream) && !isAbsent(value.command)) return { disconnect: command(value) }
  return { publications: [publication(value, '')] }
}

function publication(value: unknown, at: string): Publication {
  if (!isRecord(value)) throw malformed(`${at || 'the body'} is not an object`)
  const { data } = value
  const stream = text(value.stream, `${at}.stream`)
  if (typeof data !== 'string') throw malformed(`${at}.data must be a string (of JSON: encode it once more)`)
  const meta = isAbsent(value.meta) || isEmptyList(value.meta) ? {} : value.meta
  if (!isRecord(meta)) throw malformed(`${at}.meta must be an object`)
  const exclude = optionalText(meta.exclude_socket, `${at}.meta.exclude_socket`)
  const type = optionalText(meta.broadcast_type, `${at}.meta.broadcast_type`)
  const transient = flag(meta.transient, `${at}.meta.transient`)
  const id = isAbsent(meta.id) ? {} : { id: name(meta.id, `${at}.meta.id`) }
  const message = toMessage(data)
  const key = isAbsent(meta.key) ? {} : { key: publicationKey(meta.key, message, type, `${at}.meta.key`) }
  return { stream, message, transient, ...(exclude ? { exclude } : {}), ...(type ? { type } : {}), ...id, ...key }
}

function command({ command, payload }: Record<string, unknown>): RemoteDisconnect {
  if (command !== 'disconnect') throw malformed('.command must be disconnect')
  if (!isRecord(payload)) throw malformed('.payload must be an object')
  return {
    identity: text(payload.identifier, '.payload.identifier'),
    reconnect: flag(payload.reconnect, '.payload.reconnect'),
  }
}

/** The body of /api/disconnect: an identity, or one session. */
export function parseDisconnect(body: string): RemoteDisconnect | { sid: string; reconnect: boolean } {
  const value = parseJson(body)
  if (!isRecord(value)) throw malformed('the body is not an object')
  const reconnect = flag(value.reconnect, '.reconnect')
  return isAbsent(value.sid)
    ? { identity: text(value.identifier, '.identifier'), reconnect }
    : { sid: text(value.sid, '.sid'), reconnect }
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string' || value === '') throw malformed(`${at} must be a string that is not empty`)
  return value
}

function optionalText(value: unknown, at: string): string | undefined {
  if (isAbsent(value)) return undefined
  if (typeof value !== 'string') throw malformed(`${at} must be a string`)
  return value
}

function publicationKey(value: unknown, message: string, type: string | undefined, at: string): string {
  const key = historyKey(name(value, at), message, type)
  if (typeof key === 'string') return key
  throw malformed(`${at} goes with the actions replace and update alone, not with ${JSON.stringify(key.action ?? '')}`)
}

/** Bounded, because the cable remembers it. */
function name(value: unknown, at: string): string {
  if (typeof value !== 'string' || !/^.{1,64}$/su.test(value))
    throw malformed(`${at} must be a string of 1 to 64 characters`)
  return value
}

function flag(value: unknown, at: string): boolean {
  if (isAbsent(value)) return false
  if (typeof value !== 'boolean') throw malformed(`${at} must be true or false`)
  return value
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new RequestRefused('publication_malformed', 'the body is not JSON', { cause })
  }
}

/** The reference decodes and encodes again. We keep the text, so that big numbers and the order of keys survive. */
function toMessage(data: string): string {
  try {
    if (JSON.parse(data) !== null) return data
  } catch {
    // Not JSON: the text itself is the message.
  }
  return JSON.stringify(data)
}

const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const malformed = (detail: string) => new RequestRefused('publication_malformed', detail.replace(/^\./, ''))
