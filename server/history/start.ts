/**
 * Where a subscription starts, and what a `history` command asks for.
 *
 *   subscribe    the page's position, always; else streams[s]; else since; else now
 *   history      streams[s]; else the page's position; else since
 *   events       as subscribe; for a browser that comes back: what it saw; else the page's position; else streams[s]; else a gap
 *
 * The page's own position outranks what an extended client remembers, because that is kept per stream and not per page:
 * after Back it is ahead of what the page shows. A place that cannot be told is a gap, never a fall-back to `since`,
 * which is the browser's clock. Pure.
 */
import type { Position } from './history.ts'

/** `gap`: something may be missing, and nobody can tell what. */
export type Start = Position | { readonly since: number } | 'now' | 'gap'

/** The `history` of a command, of which nothing is believed yet. */
export interface HistoryRequest {
  since?: unknown
  streams?: unknown
}

type PagePosition = Position | 'unknown' | undefined

/** The last event that a browser saw: its Last-Event-ID. */
export interface Seen {
  readonly stream: string
  readonly position: Position
}

/** Where a client of server-sent events stands. This travels beside the identifier, which stays the same at every reconnect. */
export interface Standing {
  /** Where the page was made, unless the identifier says it. */
  readonly page: PagePosition
  /** `undefined`: the client comes for the first time. `unknown`: it comes back with an id that cannot be read. */
  readonly seen: Seen | 'unknown' | undefined
}

export const subscribeStart = (stream: string, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofPage(page) ?? ofStream(stream, asked) ?? ofTime(asked) ?? 'now'

export const historyStart = (stream: string, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofStream(stream, asked) ?? ofPage(page) ?? ofTime(asked) ?? 'now'

/** A client that comes back, and does not say where it was, has a gap. */
export function eventStart(
  stream: string,
  page: PagePosition,
  asked: HistoryRequest | undefined,
  seen: Standing['seen'],
): Start {
  if (seen === undefined) return subscribeStart(stream, page, asked)
  if (seen !== 'unknown' && seen.stream === stream) return seen.position
  return ofPage(page) ?? ofStream(stream, asked) ?? 'gap'
}

/** Whether a request asks for anything at all; if not, the reference gives no answer. */
export const asksForHistory = (asked: HistoryRequest | undefined): asked is HistoryRequest =>
  asked !== undefined && ((asked.since ?? 0) !== 0 || (asked.streams ?? undefined) !== undefined)

const ofPage = (page: PagePosition): Start | undefined => (page === 'unknown' ? 'gap' : page)

function ofStream(stream: string, asked: HistoryRequest | undefined): Start | undefined {
  const streams = asked?.streams
  if (typeof streams !== 'object' || streams === null || !Object.hasOwn(streams, stream)) return undefined
  const { epoch, offset } = ((streams as Record<string, unknown>)[stream] ?? {}) as Record<string, unknown>
  return typeof epoch === 'string' &&
    epoch.length <= LONGEST_EPOCH &&
    Number.isSafeInteger(offset) &&
    (offset as number) >= 0
    ? { epoch, offset: offset as number }
    : 'gap'
}

/** A place may wait for long until its turn comes, and a client must not make us keep what no cable gave out. */
const LONGEST_EPOCH = 64

function ofTime(asked: HistoryRequest | undefined): Start | undefined {
  const since = asked?.since ?? 0
  if (since === 0) return undefined
  return typeof since === 'number' && since > 0 ? { since } : 'gap'
}
