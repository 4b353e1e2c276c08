/**
 * The broker of one process: history in memory (--broker=memory), or none (--broker=none). Synchronous.
 */
import type { Broker, Entry, Feed } from '../broker.ts'
import type { History } from '../history/history.ts'
import type { Position } from '../protocol/position.ts'
import type { Publication } from '../protocol/publication.ts'
import type { RecentIds } from './recent-ids.ts'

/** A broker that always answers at once. */
export interface SyncBroker extends Broker {
  position: () => Position
  publish: (publications: readonly Publication[]) => readonly Publication[]
  after: (stream: string, from: Position) => readonly Entry[] | 'gap'
  since: (stream: string, seconds: number) => readonly Entry[]
  tell: (...live: Parameters<Broker['tell']>) => void
  signal: (...signal: Parameters<Broker['signal']>) => number
  forget: (...streams: Parameters<Broker['forget']>) => void
  start: (to: Feed) => void
}

export interface MemoryBrokerParts {
  /** `undefined`: the cable keeps no history. */
  history: History | undefined
  ids: Pick<RecentIds, 'has' | 'add'>
}

export function createMemoryBroker({ history, ids }: MemoryBrokerParts): SyncBroker {
  let feed: Feed
  const took = (id: string | undefined): boolean => id !== undefined && ids.has(id)
  const take = ({ stream, message, exclude, type, transient, id, key }: Publication): boolean => {
    if (took(id)) return false
    if (history === undefined || transient) feed.live(stream, { message, exclude, type, fromClient: false })
    else feed.entry(history.append(stream, message, exclude, type, key))
    // Last: if a line above throws, the backend's retry must not look like a repetition.
    if (id !== undefined) ids.add(id)
    return true
  }
  return {
    epoch: history?.epoch ?? '',
    get seen() {
      return history?.offset ?? 0
    },
    well: true,
    position: () => ({ offset: history?.offset ?? 0, epoch: history?.epoch ?? '' }),
    publish: publications => publications.filter(take),
    after: (stream, from) => history?.after(stream, from) ?? 'gap',
    since: (stream, seconds) => history?.since(stream, seconds) ?? [],
    tell: (stream, live) => feed.live(stream, live),
    signal: signal => feed.signal(signal),
    forget(lost) {
      const streams =
        lost === 'all' ? lost : [...new Set(lost.filter(({ id }) => !took(id)).map(({ stream }) => stream))]
      if (streams.length === 0) return
      history?.forget(streams)
      feed.gap(streams)
    },
    start(to) {
      feed = to
    },
  }
}
