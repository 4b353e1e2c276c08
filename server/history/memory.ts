/**
 * History in memory: bounded by count and age per stream, and by bytes in all.
 *
 *   oldest ◀─▶ … ◀─▶ newest        all entries, in order, for age and bytes
 *   stream ─▶ entries, horizon     what is kept of one stream, and the last offset that is not
 *   forgotten                      the last offset of any stream of which nothing is known any more
 *
 * A position is honoured while nothing after it was dropped: its offset is at or past the stream's horizon. A stream
 * whose entries are all gone is remembered by its horizon for ten times their age, so that who is up to date stays up
 * to date; then only `forgotten` speaks for it. Nothing survives a restart, and the new epoch says so.
 */
import { randomLetters } from '../base/random.ts'
import type { Entry } from '../broker.ts'
import { unpooled } from '../protocol/frame.ts'
import type { Position } from '../protocol/position.ts'
import type { History } from './history.ts'

export interface MemorySettings {
  epoch: string
  /** Messages per stream. */
  limit: number
  ttlSeconds: number
  /** Bytes in all, with what it takes to keep them. */
  maxBytes: number
  /** Unix time in ms, for `since`. */
  wall: () => number
  /** For the age of messages. */
  monotonic: () => number
}

export interface MemoryHistory extends History {
  readonly bytes: number
  readonly streams: number
  /** Messages that gave way to newer ones because of `maxBytes`. */
  readonly evicted: number
}

interface Kept extends Entry {
  readonly stream: Stream
  /** Unix seconds. */
  readonly at: number
  /** Seconds of the monotonic clock. */
  readonly keptAt: number
  older: Kept | undefined
  newer: Kept | undefined
}

interface Stream {
  readonly name: string
  readonly entries: Kept[]
  horizon: number
  touched: number
}

/** Bytes that an entry and a stream take beside their text, as measured in memory.memory.test.ts. */
const ENTRY = 700
const STREAM = 400

export function createMemoryHistory({
  epoch,
  limit,
  ttlSeconds,
  maxBytes,
  wall,
  monotonic,
}: MemorySettings): MemoryHistory {
  // In the order in which they were last added to, so that the longest idle comes first.
  const streams = new Map<string, Stream>()
  let oldest: Kept | undefined
  let newest: Kept | undefined
  let offset = 0
  let forgotten = 0
  let bytes = 0
  let evicted = 0
  const seconds = (clock: () => number) => Math.floor(clock() / 1000)

  function append(name: string, message: string, exclude?: string): Entry {
    const stream = streamOf(name)
    const entry: Kept = {
      stream,
      offset: ++offset,
      body: unpooled(Buffer.from(message)),
      exclude,
      at: seconds(wall),
      keptAt: stream.touched,
      older: newest,
      newer: undefined,
    }
    if (newest !== undefined) newest.newer = entry
    newest = entry
    oldest ??= entry
    stream.entries.push(entry)
    bytes += ENTRY + entry.body.length
    if (stream.entries.length > limit) drop(stream.entries[0]!)
    while (bytes > maxBytes && dropOldest());
    return entry
  }

  /** Returns what is kept of the stream, as the last one that was added to. */
  function streamOf(name: string): Stream {
    const stream = streams.get(name) ?? { name, entries: [], horizon: forgotten, touched: 0 }
    if (!streams.delete(name)) bytes += STREAM + name.length
    streams.set(name, stream)
    stream.touched = seconds(monotonic)
    return stream
  }

  function drop(entry: Kept): void {
    const { stream, older, newer } = entry
    stream.entries.shift()
    stream.horizon = entry.offset
    if (older === undefined) oldest = newer
    else older.newer = newer
    if (newer === undefined) newest = older
    else newer.older = older
    bytes -= ENTRY + entry.body.length
  }

  function dropOldest(): boolean {
    // The longest idle stream comes first. Once it is empty it goes before any message does: many streams that nobody
    // uses any more must not crowd out what is said on others.
    const [idle] = streams.values()
    if (idle !== undefined && idle.entries.length === 0) forget(idle)
    else if (oldest !== undefined) {
      evicted++
      drop(oldest)
    } else return false
    return true
  }

  function forget(stream: Stream): void {
    streams.delete(stream.name)
    bytes -= STREAM + stream.name.length
    forgotten = Math.max(forgotten, stream.horizon)
  }

  return {
    epoch,
    get offset() {
      return offset
    },
    get bytes() {
      return bytes
    },
    get evicted() {
      return evicted
    },
    get streams() {
      return streams.size
    },
    append,
    after(name, position: Position) {
      const stream = streams.get(name)
      if (position.epoch !== epoch || position.offset > offset || position.offset < (stream?.horizon ?? forgotten))
        return 'gap'
      const entries = stream?.entries ?? []
      // They are in order, and mostly few are asked for.
      let first = entries.length
      while (first > 0 && entries[first - 1]!.offset > position.offset) first--
      return entries.slice(first)
    },
    since: (name, from) => streams.get(name)?.entries.filter(({ at }) => at >= from) ?? [],
    forget(names) {
      // A page that was rendered before must not look as if it were up to date.
      const horizon = ++offset
      if (names === 'all') {
        while (oldest !== undefined) drop(oldest)
        for (const stream of streams.values()) forget(stream)
        forgotten = horizon
        return
      }
      for (const name of names) {
        const stream = streamOf(name)
        while (stream.entries.length > 0) drop(stream.entries[0]!)
        stream.horizon = horizon
      }
    },
    expire() {
      const time = seconds(monotonic)
      while (oldest !== undefined && oldest.keptAt < time - ttlSeconds) drop(oldest)
      for (const stream of streams.values()) {
        if (stream.touched >= time - 10 * ttlSeconds) break
        forget(stream)
      }
    },
  }
}

/** Settings, by their names. */
export interface HistorySettings {
  readonly broker: string
  readonly history_limit: number
  readonly history_ttl: number
  readonly history_max_size: number
}

/** Returns a history that begins now; `undefined` with --broker=none. */
export const createHistory = (
  settings: HistorySettings,
  clocks: Pick<MemorySettings, 'wall' | 'monotonic'>,
): MemoryHistory | undefined =>
  settings.broker === 'none'
    ? undefined
    : createMemoryHistory({
        epoch: randomLetters(8),
        limit: settings.history_limit,
        ttlSeconds: settings.history_ttl,
        maxBytes: settings.history_max_size,
        ...clocks,
      })
