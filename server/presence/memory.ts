/**
 * Presence in memory, bounded in bytes.
 *
 *   stream ─▶ id ─▶ member ◀─▶ attendee ◀─ sid      a member has one attendee for each of its sessions
 *
 * Above the bound we remove the oldest member. Its stream gets a `leave` event, so that clients show the same
 * members as we would answer, and its sessions may join again.
 */
import { each, type Few, withOne, withoutOne } from '../base/few.ts'
import { sizeOf } from '../base/size.ts'
import { type Attendance, type Presence, type PresenceEvent, printRecord } from './presence.ts'

interface Member {
  readonly stream: string
  readonly id: string
  info: string | undefined
  sessions: Few<Attendee> | undefined
}

/** A session that has joined somewhere. */
interface Attendee {
  readonly sid: string
  members: Few<Member> | undefined
  /** When a lost session leaves, in ms of the monotonic clock; `undefined` while it is connected. */
  leavesAt: number | undefined
}

export interface MemoryPresenceSettings {
  ttlSeconds: number
  /** Bytes in all, with overhead. */
  maxBytes: number
  /** Bytes of the records of one answer. */
  maxAnswerBytes: number
  monotonic: () => number
  /** Tells the stream. */
  tell: (event: PresenceEvent) => void
}

export interface MemoryPresence extends Presence {
  join: (...member: Parameters<Presence['join']>) => 'joined' | 'mismatch'
  leave: (...session: Parameters<Presence['leave']>) => void
  lost: (sid: string) => void
  present: (...asked: Parameters<Presence['present']>) => Attendance
  /** Removes sessions that have not come back in time; call it about every second. */
  expire: () => void
  readonly bytes: number
  /** Counts members that we removed for newer ones because of `maxBytes`. */
  readonly evicted: number
  /** Counts answers that lacked members because of `maxAnswerBytes`. */
  readonly truncated: number
}

/** Bytes that a member, a stream, and a session's link to a member each take beside their texts: an upper estimate. */
const OVERHEAD = 300

export function createMemoryPresence(settings: MemoryPresenceSettings): MemoryPresence {
  const { ttlSeconds, maxBytes, maxAnswerBytes, monotonic, tell } = settings
  const streams = new Map<string, Map<string, Member>>()
  const attendees = new Map<string, Attendee>()
  // In the order of joining.
  const members = new Set<Member>()
  let bytes = 0
  let evicted = 0
  let truncated = 0

  function join(stream: string, sid: string, id: string, given: string | undefined): 'joined' | 'mismatch' {
    const attendee = attendees.get(sid) ?? { sid, members: undefined, leavesAt: undefined }
    const joined = memberAt(attendee, stream)
    if (joined !== undefined && joined.id !== id) return 'mismatch'
    // A copy, because a part of the command's text would keep all of it in memory.
    const info = given && Buffer.from(given).toString()
    const known = streams.get(stream)?.get(id)
    const member = known ?? add(stream, id)
    bytes += sizeOf(info ?? '') - sizeOf(member.info ?? '')
    member.info = info
    if (joined === undefined) {
      attendees.set(sid, attendee)
      attendee.members = withOne(attendee.members, member)
      member.sessions = withOne(member.sessions, attendee)
      bytes += OVERHEAD
    }
    if (known === undefined) tell({ stream, type: 'join', id, info })
    for (const oldest of members) {
      if (bytes <= maxBytes) break
      evicted++
      remove(oldest)
    }
    return 'joined'
  }

  function add(stream: string, id: string): Member {
    let people = streams.get(stream)
    if (people === undefined) {
      people = new Map()
      streams.set(stream, people)
      bytes += OVERHEAD + sizeOf(stream)
    }
    const member: Member = { stream, id, info: undefined, sessions: undefined }
    people.set(id, member)
    members.add(member)
    bytes += OVERHEAD + sizeOf(id)
    return member
  }

  function leave(stream: string, sid: string): void {
    const attendee = attendees.get(sid)
    const member = attendee && memberAt(attendee, stream)
    if (attendee === undefined || member === undefined) return
    part(attendee, member)
    if (member.sessions === undefined) remove(member)
  }

  function part(attendee: Attendee, member: Member): void {
    bytes -= OVERHEAD
    member.sessions = withoutOne(member.sessions, attendee)
    attendee.members = withoutOne(attendee.members, member)
    if (attendee.members === undefined) attendees.delete(attendee.sid)
  }

  function remove(member: Member): void {
    const { stream, id, info } = member
    for (const attendee of [...each(member.sessions)]) part(attendee, member)
    members.delete(member)
    bytes -= OVERHEAD + sizeOf(id) + sizeOf(info ?? '')
    const people = streams.get(stream)
    people?.delete(id)
    if (people?.size === 0) {
      streams.delete(stream)
      bytes -= OVERHEAD + sizeOf(stream)
    }
    tell({ stream, type: 'leave', id })
  }

  return {
    get bytes() {
      return bytes
    },
    get evicted() {
      return evicted
    },
    get truncated() {
      return truncated
    },
    join,
    leave,
    lost(sid) {
      const attendee = attendees.get(sid)
      if (attendee !== undefined) attendee.leavesAt = monotonic() + ttlSeconds * 1000
    },
    present(stream, maxBytes = maxAnswerBytes) {
      const people = streams.get(stream)
      const records: string[] = []
      let left = maxBytes
      for (const { id, info } of people?.values() ?? []) {
        const record = printRecord(id, info)
        left -= Buffer.byteLength(record) + 1
        if (left < 0) {
          truncated++
          break
        }
        records.push(record)
      }
      return { total: people?.size ?? 0, records }
    },
    expire() {
      const time = monotonic()
      for (const { sid, members, leavesAt } of attendees.values())
        if (leavesAt !== undefined && leavesAt <= time) for (const { stream } of [...each(members)]) leave(stream, sid)
    },
  }
}

function memberAt({ members }: Attendee, stream: string): Member | undefined {
  for (const member of each(members)) if (member.stream === stream) return member
  return undefined
}

/** Settings, by their names. */
export interface PresenceSettings {
  readonly broker: string
  readonly presence_ttl: number
  readonly presence_max_size: number
  readonly max_presence_answer_size: number
}

/** Returns `undefined` with --broker=none. */
export const createPresence = (
  settings: PresenceSettings,
  parts: Pick<MemoryPresenceSettings, 'monotonic' | 'tell'>,
): MemoryPresence | undefined =>
  settings.broker === 'none'
    ? undefined
    : createMemoryPresence({
        ttlSeconds: settings.presence_ttl,
        maxBytes: settings.presence_max_size,
        maxAnswerBytes: settings.max_presence_answer_size,
        ...parts,
      })
