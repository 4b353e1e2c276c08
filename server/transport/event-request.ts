/**
 * Reads a request for server-sent events.
 *
 *   GET   ?identifier=… or channel=, stream=, signed_stream=, turbo_signed_stream_name=      one subscription
 *         &position=…  &history_since=…  &raw=1                                              its start, and its format
 *   POST  one command per line, each taken as a subscribe                                     several
 *
 *   Last-Event-ID: <offset>/<epoch>/<stream>                                                  the browser's last event
 *
 * We read the whole request before we act on it. No position becomes part of an identifier, so it has the same bytes at
 * every reconnect. The first of repeated parameters counts, as in the reference. Pure.
 */
import { EventsRefused } from '../errors.ts'
import { type Command, parseCommand } from '../protocol/action-cable.ts'
import { type Format, readEventId } from '../protocol/event.ts'
import { isTooDeep } from '../protocol/json.ts'
import { parsePosition } from '../protocol/position.ts'
import type { ClientPositions } from '../session/start.ts'

export interface EventRequest {
  /** Subscribe commands, each with a different identifier. */
  readonly commands: readonly Command[]
  readonly positions: ClientPositions
  readonly format: Format
}

/** Throws {@link EventsRefused}. `lastEventId` is the header, as Node gives it. */
export function readGet(query: URLSearchParams, lastEventId: string | undefined): EventRequest {
  const identifier = identifierOf(query)
  if (identifier === '') throw new EventsRefused('identifier_missing')
  const since = Number(query.get('history_since') ?? 0)
  if (!Number.isFinite(since)) throw new EventsRefused('history_unusable')
  return {
    commands: [{ command: 'subscribe', identifier, ...(since > 0 ? { history: { since } } : {}) }],
    positions: { page: parsePosition(query.get('position')), seen: readEventId(lastEventId) },
    format: { raw: isRaw(query), unwrapped: true },
  }
}

/** Throws {@link EventsRefused}. A body without lines makes a session without subscriptions, as in the reference. */
export function readPost(
  query: URLSearchParams,
  lastEventId: string | undefined,
  body: string,
  maxSubscriptions: number,
): EventRequest {
  const commands = new Map<string, Command>()
  for (const line of body.split('\n')) {
    if (line.trim() === '') continue
    const command = parseCommand(line)
    if (command === undefined) throw new EventsRefused(isTooDeep(line) ? 'command_too_deep' : 'command_malformed')
    const { identifier } = command
    if (identifier === '') throw new EventsRefused('identifier_missing')
    if (commands.has(identifier)) throw new EventsRefused('already_subscribed')
    if (commands.size >= maxSubscriptions) throw new EventsRefused('subscriptions_limit')
    commands.set(identifier, { ...command, command: 'subscribe' })
  }
  return {
    commands: [...commands.values()],
    positions: { page: undefined, seen: readEventId(lastEventId) },
    format: { raw: isRaw(query), unwrapped: false },
  }
}

const isRaw = (query: URLSearchParams): boolean => /^(1|t|y|true)$/i.test(query.get('raw') ?? '')

/** Returns an empty string if the query names no stream. */
function identifierOf(query: URLSearchParams): string {
  const identifier = query.get('identifier')
  if (identifier) return identifier
  for (const [name, params] of FORMS) {
    const value = query.get(name)
    if (value) return JSON.stringify(params(value))
  }
  return ''
}

const FORMS: readonly [name: string, params: (value: string) => object][] = [
  ['channel', channel => ({ channel })],
  ['stream', stream_name => ({ channel: '$pubsub', stream_name })],
  ['signed_stream', signed_stream_name => ({ channel: '$pubsub', signed_stream_name })],
  ['turbo_signed_stream_name', signed_stream_name => ({ channel: 'Turbo::StreamsChannel', signed_stream_name })],
]
