/**
 * History in memory: bounded by count and age per stream, and by bytes in all.
 *
 *   oldest ◀─▶ … ◀─▶ newest        all entries, in order, for age and bytes
 *   stream ─▶ entries, horizon     the kept entries of one stream, and the offset of the last dropped one
 *          ╰▶ newest               its entries with a key: a newer one replaces older ones, which is no gap
 *   forgotten                      the highest horizon of the streams that we have forgotten
 *
 * A position is valid while we have dropped nothing after it: its offset is at or past the stream's horizon. We remember
 * the horizon of an empty stream for ten times the age of messages, so that a client that has missed nothing gets no gap;
 * then `forgotten` stands for it. Nothing survives a restart, and the new epoch shows that.
 */
import { randomLetters } from '../base/random.ts'
import { sizeOf } from '../base/size.ts'
import type { Entry } from '../broker.ts'
import type { Position } from '../protocol/position.ts'
import type { History } from './history.ts'
import { NewestEntries } from './newest-entries.ts'

export interface MemorySettings {
  epoch: string
  /** Messages per stream. */
  limit: number
  ttlSeconds: number
  /** Bytes in all, with overhead. */
  maxBytes: number
  /** Unix time in ms, for `since`. */
  wall: () => number
  /** Clock for the age of messages, in ms. */
  monotonic: () => number
}

export interface MemoryHistory extends History {
  readonly bytes: number
  readonly streams: number
  /** Counts messages that we dropped for newer ones because of `maxBytes`. */
  readonly evicted: number
}

interface Kept extends Entry {
  readonly home: Stream
  /** Bytes, with overhead. */
  readonly size: number
  /** Unix seconds. */
  readonly at: number
  /** Seconds of the monotonic clock. */
  readonly keptAt: number
  readonly key: string | undefined
  older: Kept | undefined
  newer: Kept | undefined
}

interface Stream {
  readonly name: string
  readonly entries: Kept[]
  /** `undefined`: no entry has a key. */
  newest: NewestEntries<Kept> | undefined
  horizon: number
  touched: number
}

/** Bytes that an entry, its key and a stream take beside their text, an upper estimate: see memory.test.ts. */
const ENTRY = 200
const KEY = 250
const STREAM = 400

export function createMemoryHistory({
  epoch,
  limit,
  ttlSeconds,
  maxBytes,
  wall,
  monotonic,
}: MemorySettings): MemoryHistory {
  // In the order of their newest messages, so that the longest idle stream comes first.
  const streams = new Map<string, Stream>()
  let oldest: Kept | undefined
  let newest: Kept | undefined
  /** The last of `streams`. */
  let latest: Stream | undefined
  let offset = 0
  let forgotten = 0
  let bytes = 0
  let evicted = 0
  const seconds = (clock: () => number) => Math.floor(clock() / 1000)

  function append(name: string, message: string, exclude?: string, type?: string, key?: string): Entry {
    const home = streamOf(name)
    const entry: Kept = {
      home,
      stream: home.name,
      offset: ++offset,
      message,
      size: ENTRY + sizeOf(message) + sizeOf(type ?? '') + (key === undefined ? 0 : KEY + sizeOf(key)),
      exclude,
      type,
      at: seconds(wall),
      keptAt: home.touched,
      key,
      older: newest,
      newer: undefined,
    }
    if (newest !== undefined) newest.newer = entry
    newest = entry
    oldest ??= entry
    home.entries.push(entry)
    bytes += entry.size
    if (key !== undefined) replaceOlder(entry, key)
    if (home.entries.length > limit) drop(home.entries[0]!)
    while (bytes > maxBytes && dropOldest());
    return entry
  }

  /** Returns the stream, and moves it behind all others. */
  function streamOf(name: string): Stream {
    let stream = latest
    if (stream?.name !== name) {
      stream = streams.get(name) ?? { name, entries: [], newest: undefined, horizon: forgotten, touched: 0 }
      if (!streams.delete(name)) bytes += STREAM + sizeOf(name)
      streams.set(name, stream)
      latest = stream
    }
    stream.touched = seconds(monotonic)
    return stream
  }

  function replaceOlder(entry: Kept, key: string): void {
    const { home } = entry
    home.newest ??= new NewestEntries()
    for (const older of home.newest.add(key, entry)) {
      home.entries.splice(home.entries.lastIndexOf(older), 1)
      unlink(older)
    }
  }

  /** Drops the oldest entry of its stream: earlier positions become a gap. */
  function drop(entry: Kept): void {
    const { home, key } = entry
    home.entries.shift()
    home.horizon = entry.offset
    if (key !== undefined && home.newest?.delete(key, entry)) home.newest = undefined
    unlink(entry)
  }

  function unlink(entry: Kept): void {
    const { older, newer } = entry
    if (older === undefined) oldest = newer
    else older.newer = newer
    if (newer === undefined) newest = older
    else newer.older = older
    bytes -= entry.size
  }

  function dropOldest(): boolean {
    // The longest idle stream comes first. If it is empty, we drop it before any message: many unused streams must not
    // crowd out the messages of others.
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
    if (latest === stream) latest = undefined
    bytes -= STREAM + sizeOf(stream.name)
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
      // Search from the end: most clients ask for a few new ones.
      let first = entries.length
      while (first > 0 && entries[first - 1]!.offset > position.offset) first--
      return entries.slice(first)
    },
    since: (name, from) => streams.get(name)?.entries.filter(({ at }) => at >= from) ?? [],
    forget(names) {
      // A page that was rendered earlier must not look up to date.
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
