/**
 * Everything that the cable keeps: messages, publication ids, presence, lost sessions. In memory, unless the caller puts a
 * store on another machine in front of one of them.
 */
import type { Clocks } from '../base/clocks.ts'
import { type ReportFailure, tryEach } from '../base/failure.ts'
import type { Broker } from '../broker.ts'
import { createMemoryBroker, type SyncBroker } from '../brokers/memory.ts'
import { createRecentIds } from '../brokers/recent-ids.ts'
import { createHistory, type HistorySettings } from '../history/memory.ts'
import { createTell, type Tell } from '../hub/tell.ts'
import { createPresence, type MemoryPresence, type PresenceSettings } from '../presence/memory.ts'
import { eventMessage, type Presence } from '../presence/presence.ts'
import { createResumables, type LostSessionSettings, type MemoryResumables } from './memory-resumables.ts'
import type { Resumables } from './resumables.ts'

export interface Wraps {
  /** Puts another broker in front of the one in memory. */
  wrapBroker?: ((memory: SyncBroker) => Broker) | undefined
  /** Puts another store in front of the lost sessions in memory. */
  wrapResumables?: ((memory: MemoryResumables) => Resumables) | undefined
  /** Puts another presence in front of the one in memory. */
  wrapPresence?: ((memory: MemoryPresence) => Presence) | undefined
}

export interface StoreParts extends Clocks, Wraps {
  /** Counts a whisper or an event of presence that we dropped, because the broker was away. */
  dropped: () => void
  failed: ReportFailure
}

export interface Stores {
  readonly broker: Broker
  /** `undefined`: the cable keeps no history. */
  readonly history: Broker | undefined
  readonly tell: Tell
  /** `undefined`: the cable keeps no presence. */
  readonly presence: Presence | undefined
  readonly resumables: Resumables
  /** Those in memory, whose numbers operators see. */
  readonly memory: {
    readonly history: ReturnType<typeof createHistory>
    readonly ids: ReturnType<typeof createRecentIds>
    readonly presence: MemoryPresence | undefined
    readonly resumables: MemoryResumables
  }
  /** Drops what is out of date. */
  readonly expire: () => void
}

export function createStores(
  settings: HistorySettings & PresenceSettings & LostSessionSettings,
  { wall, monotonic, dropped, failed, wrapBroker, wrapResumables, wrapPresence }: StoreParts,
): Stores {
  const history = createHistory(settings, { wall, monotonic })
  const ids = createRecentIds({ ttlSeconds: settings.history_ttl, monotonic })
  const memoryBroker = createMemoryBroker({ history, ids })
  const broker = wrapBroker?.(memoryBroker) ?? memoryBroker
  const tell = createTell({ broker, dropped, failed })
  const presence = createPresence(settings, { monotonic, tell: event => tell(event.stream, eventMessage(event)) })
  const resumables = createResumables(settings, monotonic)
  return {
    ...{ broker, tell },
    history: history && broker,
    presence: presence && (wrapPresence?.(presence) ?? presence),
    resumables: wrapResumables?.(resumables) ?? resumables,
    memory: { history, ids, presence, resumables },
    expire: () => tryEach([history, presence, ids, resumables], kept => kept?.expire(), failed),
  }
}
