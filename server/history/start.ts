/**
 * Where a subscription starts, and what a `history` command asks for.
 *
 *   subscribe    the page's position, always; else streams[s]; else since; else now
 *   history      streams[s]; else the page's position; else since
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

export const subscribeStart = (stream: string, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofPage(page) ?? ofStream(stream, asked) ?? ofTime(asked) ?? 'now'

export const historyStart = (stream: string, page: PagePosition, asked: HistoryRequest | undefined): Start =>
  ofStream(stream, asked) ?? ofPage(page) ?? ofTime(asked) ?? 'now'

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
