/**
 * Reads the history of a subscription, which may listen to several streams.
 */
import { type Soon, soon } from '../base/soon.ts'
import type { Broker, Entry } from '../broker.ts'
import type { Position } from '../protocol/position.ts'
import { lastOf, type PinnedStart, type PinnedStreamStart } from './replay.ts'
import { startOf } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of the broker that catching up uses. */
export type HistoryReader = Pick<Broker, 'epoch' | 'seen' | 'after' | 'since'>

/** The history's answer for a subscription: messages in the order of their offsets, or a gap. */
export type Found = Soon<readonly Entry[] | 'gap'>

/**
 * Returns the messages after the start, without those that a subscription has already after its first replay. Of several streams it may lack
 * those after the offset `now`, which the feed brings.
 */
export function readHistory(
  history: HistoryReader,
  { grant: { streams }, state, covered }: Subscription,
  start: PinnedStart,
  now: number,
): Found {
  const found = readStreams(history, streams, start, now)
  return state === 'waiting' ? found : soon(found, entries => (entries === 'gap' ? entries : upTo(covered, entries)))
}

const upTo = (last: number, entries: readonly Entry[]): readonly Entry[] =>
  entries.filter(({ offset }) => offset <= last)

function readStreams(history: HistoryReader, streams: readonly string[], start: PinnedStart, now: number): Found {
  if (streams.length === 1) return readStream(history, streams[0]!, startOf(start, 0), now)
  // A remote broker reads each stream at another moment. Up to `last` no read lacks a message.
  const last = Math.max(now, lastOf(start, []))
  const found = streams.map((stream, at) => readStream(history, stream, startOf(start, at), now))
  return found.some(one => one instanceof Promise)
    ? Promise.all(found).then(all => merge(all, last))
    : merge(found as readonly Awaited<Found>[], last)
}

function readStream(history: HistoryReader, stream: string, start: PinnedStreamStart, now: number): Found {
  if (start === 'gap') return 'gap'
  return 'since' in start ? readSince(history, stream, start, now) : history.after(stream, start)
}

/** If the client's clock is ahead, `since` is in the future: then the messages that came while the replay waited are after `after`. */
function readSince(
  history: HistoryReader,
  stream: string,
  { since, after }: { since: number; after: Position },
  now: number,
): Found {
  return soon(history.since(stream, since), entries => {
    const first = entries[0]?.offset ?? Number.POSITIVE_INFINITY
    return first > after.offset && Math.max(now, history.seen) > after.offset ? history.after(stream, after) : entries
  })
}

/** Merges the messages of several streams up to an offset. */
function merge(found: readonly Awaited<Found>[], last: number): Awaited<Found> {
  const entries: Entry[] = []
  for (const one of found) {
    if (one === 'gap') return 'gap'
    for (const entry of one) if (entry.offset <= last) entries.push(entry)
  }
  return entries.sort((a, b) => a.offset - b.offset)
}
