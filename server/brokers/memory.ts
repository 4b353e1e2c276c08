/**
 * What the cable remembers, in memory (--broker=memory) or not at all: history, presence, lost sessions.
 */
import { randomBytes } from 'node:crypto'
import type { Clocks } from '../base/clocks.ts'
import { type ReportFailure, tryEach } from '../base/failure.ts'
import type { Values } from '../config/settings.ts'
import { createMemoryHistory, type MemoryHistory } from '../history/memory.ts'
import type { Hub } from '../hub/hub.ts'
import { createMemoryPresence, type MemoryPresence } from '../presence/memory.ts'
import { printEvent } from '../presence/presence.ts'
import { Resumables } from '../session/resumables.ts'

export interface Memory {
  readonly history: MemoryHistory | undefined
  readonly presence: MemoryPresence | undefined
  readonly resumables: Resumables
  /** Forgets what is too old; to be called every second or so. */
  expire: () => void
}

export function createMemory(settings: Values, hub: Hub, { wall, monotonic }: Clocks, failed: ReportFailure): Memory {
  if (settings.broker === 'none') {
    return {
      history: undefined,
      presence: undefined,
      resumables: new Resumables({ ttlSeconds: 0, max: 0, maxBytes: 0, monotonic }),
      expire() {},
    }
  }
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
    tell: event =>
      hub.broadcast({
        stream: event.stream,
        body: Buffer.from(`${printEvent(event)}}`),
        type: 'presence',
        fromClient: true,
        transient: true,
      }),
  })
  const resumables = new Resumables({
    ttlSeconds: settings.sessions_ttl,
    max: settings.max_lost_sessions,
    maxBytes: settings.max_lost_sessions_size,
    monotonic,
  })
  const expire = () => tryEach([history, presence, resumables], kept => kept.expire(), failed)
  return { history, presence, resumables, expire }
}
