/**
 * What the cable remembers in memory: history and presence, unless --broker=none, and the ids of publications.
 */
import { randomBytes } from 'node:crypto'
import type { Clocks } from '../base/clocks.ts'
import { createMemoryHistory, type MemoryHistory } from '../history/memory.ts'
import { createMemoryPresence, type MemoryPresence } from '../presence/memory.ts'
import type { PresenceEvent } from '../presence/presence.ts'
import { createRecentIds, type RecentIds } from './recent-ids.ts'

/** Settings, by their names. */
export interface MemorySettings {
  readonly broker: string
  readonly history_limit: number
  readonly history_ttl: number
  readonly history_max_size: number
  readonly presence_ttl: number
  readonly presence_max_size: number
  readonly max_presence_answer_size: number
}

export interface Memory {
  readonly history: MemoryHistory | undefined
  readonly presence: MemoryPresence | undefined
  readonly ids: RecentIds
}

export interface MemoryParts extends Clocks {
  /** Sends an event of a stream's presence to its subscribers. */
  tell: (event: PresenceEvent) => void
}

export function createMemory(settings: MemorySettings, { wall, monotonic, tell }: MemoryParts): Memory {
  const ids = createRecentIds({ ttlSeconds: settings.history_ttl, monotonic })
  if (settings.broker === 'none') return { history: undefined, presence: undefined, ids }
  const history = createMemoryHistory({
    epoch: randomBytes(6).toString('base64url'),
    limit: settings.history_limit,
    ttlSeconds: settings.history_ttl,
    maxBytes: settings.history_max_size,
    wall,
    monotonic,
  })
  const presence = createMemoryPresence({
    ttlSeconds: settings.presence_ttl,
    maxBytes: settings.presence_max_size,
    maxAnswerBytes: settings.max_presence_answer_size,
    monotonic,
    tell,
  })
  return { history, presence, ids }
}
