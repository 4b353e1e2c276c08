/**
 * The start of a subscription, and of the answer to a `history` command.
 *
 *   subscribe    the page's position, always; else streams[s]; else since; else now
 *   history      streams[s]; else the page's position; else since
 *   events       as subscribe; after a reconnect: Last-Event-ID; else the page's position; else streams[s]; else a gap
 *
 * The page's own position outranks the one that an extended client remembers, because the client remembers one per stream,
 * not per page: after Back it is ahead of the page. An unusable position is a gap. We do not fall back to `since`, which
 * is the browser's clock. Pure.
 */
import type { HistoryRequest } from '../protocol/action-cable.ts'
import type { Seen } from '../protocol/event.ts'
import type { Position } from '../protocol/position.ts'

/** `gap`: the client may have missed messages, and we cannot know which. */
export type StreamStart = Position | { readonly since: number } | 'now' | 'gap'

/** One for all streams of a subscription, or one for each in their order. */
export type Start = StreamStart | { readonly each: readonly StreamStart[] }

export const startOf = <S extends StreamStart>(start: S | { readonly each: readonly S[] }, at: number): S =>
  typeof start === 'object' && 'each' in start ? start.each[at]! : start

type PagePosition = Position | 'unknown' | undefined

/** Positions that a client of server-sent events sends beside its identifier, which is the same at every reconnect. */
export interface ClientPositions {
  /** The page's position, unless the identifier holds it. */
  readonly page: PagePosition
  /** `undefined`: the client connects for the first time. `unknown`: it reconnects with a malformed id. */
  readonly seen: Seen | 'unknown' | undefined
}

type Streams = readonly string[]

const subscribeStart = (streams: Streams, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofPage(page) ?? ofStreams(streams, asked, ofTime(asked) ?? 'now')

export const historyStart = (streams: Streams, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofStreams(streams, asked, ofPage(page) ?? ofTime(asked) ?? 'now')

/** A client that reconnects without a usable position has a gap. */
export function eventStart(
  streams: Streams,
  page: PagePosition,
  asked: HistoryRequest | undefined,
  seen: ClientPositions['seen'],
): Start {
  if (seen === undefined) return subscribeStart(streams, page, asked)
  // The client got the messages of all streams in the order of their offsets.
  if (seen !== 'unknown' && streams.includes(seen.stream)) return seen.position
  return ofPage(page) ?? ofStreams(streams, asked, 'gap')
}

/** Returns the request, without its time if clients may not ask for messages by time (--history_since=false). */
export function allowed(asked: HistoryRequest | undefined, byTime: boolean): HistoryRequest | undefined {
  if (byTime || asked?.since === undefined) return asked
  const { since: _, ...rest } = asked
  return rest
}

/** Whether a request asks for any history; if not, the reference gives no answer. */
export const asksForHistory = (asked: HistoryRequest | undefined): asked is HistoryRequest =>
  asked !== undefined && ((asked.since ?? 0) !== 0 || (asked.streams ?? undefined) !== undefined)

const ofPage = (page: PagePosition): StreamStart | undefined => (page === 'unknown' ? 'gap' : page)

/** `rest` is the start of each stream for which the client sends no position. */
function ofStreams(streams: Streams, asked: HistoryRequest | undefined, rest: StreamStart): Start {
  if (streams.length === 1) return ofStream(streams[0]!, asked) ?? rest
  const each = streams.map(stream => ofStream(stream, asked))
  if (each.every(start => start === undefined)) return rest
  return each.includes('gap') ? 'gap' : { each: each.map(start => start ?? rest) }
}

function ofStream(stream: string, asked: HistoryRequest | undefined): StreamStart | undefined {
  const streams = asked?.streams
  if (typeof streams !== 'object' || streams === null || !Object.hasOwn(streams, stream)) return undefined
  const { epoch, offset } = ((streams as Record<string, unknown>)[stream] ?? {}) as Record<string, unknown>
  return typeof epoch === 'string' &&
    epoch.length <= MAX_EPOCH_LENGTH &&
    Number.isSafeInteger(offset) &&
    (offset as number) >= 0
    ? { epoch, offset: offset as number }
    : 'gap'
}

/** Positions may wait in memory for their turn, so we refuse an epoch that is longer than any cable makes. */
const MAX_EPOCH_LENGTH = 64

function ofTime(asked: HistoryRequest | undefined): StreamStart | undefined {
  const since = asked?.since ?? 0
  if (since === 0) return undefined
  return typeof since === 'number' && since > 0 ? { since } : 'gap'
}
