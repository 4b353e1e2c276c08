/**
 * Reads a request for server-sent events.
 *
 *   GET   ?identifier=… or channel=, stream=, signed_stream=, turbo_signed_stream_name=      a subscription; repeated: several
 *         &position=…  &history_since=…  &raw=1                                              their start, and their format
 *   POST  one command per line, each taken as a subscribe                                     several
 *
 *   Last-Event-ID: <offset>/<epoch>/<stream>                                                  the browser's last event
 *
 * We read the whole request before we act on it. No position becomes part of an identifier, so it has the same bytes at
 * every reconnect. Offsets are one counter for all streams, so one id resumes all streams of a GET. The lines of a POST may
 * each have their own position, so there the id resumes only its stream. Pure.
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
  /** Whether the id of an event stands for all streams. */
  readonly sharesId: boolean
}

/** Throws {@link EventsRefused}. `lastEventId` is the header, as Node gives it. */
export function readGet(
  query: URLSearchParams,
  lastEventId: string | undefined,
  maxSubscriptions: number,
): EventRequest {
  const identifiers = identifiersOf(query)
  if (identifiers.length === 0) throw new EventsRefused('identifier_missing')
  if (identifiers.length > maxSubscriptions) throw new EventsRefused('subscriptions_limit')
  const since = Number(query.get('history_since') ?? 0)
  if (!Number.isFinite(since)) throw new EventsRefused('history_unusable')
  const sharesId = identifiers.length > 1
  const [page, seen] = [parsePosition(query.get('position')), readEventId(lastEventId)]
  const resumed = seen === undefined || seen === 'unknown' ? seen : seen.position
  return {
    commands: identifiers.map(identifier => ({
      command: 'subscribe',
      identifier,
      ...(since > 0 ? { history: { since } } : {}),
    })),
    positions: sharesId ? { page: resumed ?? page, seen: undefined } : { page, seen },
    format: { raw: isRaw(query), unwrapped: true },
    sharesId,
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
    sharesId: false,
  }
}

const isRaw = (query: URLSearchParams): boolean => /^(1|t|y|true)$/i.test(query.get('raw') ?? '')

/** Those of the first form that the query has, each once. */
function identifiersOf(query: URLSearchParams): string[] {
  for (const [name, identifier] of FORMS) {
    const values = query.getAll(name).filter(value => value !== '')
    if (values.length > 0) return [...new Set(values)].map(identifier)
  }
  return []
}

const FORMS: readonly [name: string, identifier: (value: string) => string][] = [
  ['identifier', identifier => identifier],
  ['channel', channel => JSON.stringify({ channel })],
  ['stream', stream_name => JSON.stringify({ channel: '$pubsub', stream_name })],
  ['signed_stream', signed_stream_name => JSON.stringify({ channel: '$pubsub', signed_stream_name })],
  [
    'turbo_signed_stream_name',
    signed_stream_name => JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name }),
  ],
]
