/**
 * Presence in memory.
 *
 *   stream ─▶ id ─▶ info, sids         who is there
 *   sid ─▶ streams                     what a session has to leave
 */
import type { Presence, PresenceEvent } from './presence.ts'

interface Person {
  info: string | undefined
  readonly sids: Set<string>
}

interface Membership {
  /** stream → the id it joined as */
  readonly joined: Map<string, string>
  /** When it is taken to have left, ms of the monotonic clock; `undefined` while it is connected. */
  leavesAt: number | undefined
}

export interface MemoryPresenceSettings {
  ttlSeconds: number
  monotonic: () => number
  /** Tells the stream. */
  tell: (event: PresenceEvent) => void
}

export function createMemoryPresence({ ttlSeconds, monotonic, tell }: MemoryPresenceSettings): Presence {
  const streams = new Map<string, Map<string, Person>>()
  const memberships = new Map<string, Membership>()

  function leave(stream: string, sid: string): void {
    const membership = memberships.get(sid)
    const id = membership?.joined.get(stream)
    if (membership === undefined || id === undefined) return
    membership.joined.delete(stream)
    if (membership.joined.size === 0) memberships.delete(sid)
    const people = streams.get(stream)
    const person = people?.get(id)
    person?.sids.delete(sid)
    if (people === undefined || person === undefined || person.sids.size > 0) return
    people.delete(id)
    if (people.size === 0) streams.delete(stream)
    tell({ stream, type: 'leave', id })
  }

  return {
    join(stream, sid, id, given) {
      // A copy: the text is a part of its command, which would be kept in memory with it.
      const info = given && Buffer.from(given).toString()
      const membership = memberships.get(sid) ?? { joined: new Map(), leavesAt: undefined }
      if ((membership.joined.get(stream) ?? id) !== id) return 'mismatch'
      memberships.set(sid, membership)
      membership.joined.set(stream, id)
      const people = streams.get(stream) ?? new Map<string, Person>()
      streams.set(stream, people)
      const person = people.get(id)
      if (person !== undefined) {
        person.info = info
        person.sids.add(sid)
      } else {
        people.set(id, { info, sids: new Set([sid]) })
        tell({ stream, type: 'join', id, info })
      }
      return 'joined'
    },
    leave,
    lost(sid) {
      const membership = memberships.get(sid)
      if (membership !== undefined) membership.leavesAt = monotonic() + ttlSeconds * 1000
    },
    present: stream => [...(streams.get(stream) ?? [])].map(([id, { info }]) => ({ info, id })),
    expire() {
      const time = monotonic()
      for (const [sid, { joined, leavesAt }] of memberships) {
        if (leavesAt !== undefined && leavesAt <= time) for (const stream of [...joined.keys()]) leave(stream, sid)
      }
    },
  }
}
