/**
 * Presence: who is there, on a stream.
 *
 * A person (`id`, which the client chooses) is present while one of their sessions is. Somebody whose connection is lost is
 * given some time to come back before they are said to have left.
 */

export interface PresenceEvent {
  readonly stream: string
  readonly type: 'join' | 'leave'
  readonly id: string
  readonly info?: unknown
}

export interface PresenceRecord {
  readonly info: unknown
  readonly id: string
}

export interface Presence {
  /** A session joins as `id`; joining again replaces the info. `mismatch`: it has joined the stream as somebody else. */
  join: (stream: string, sid: string, id: string, info: unknown) => 'joined' | 'mismatch'
  /** A session leaves at once. */
  leave: (stream: string, sid: string) => void
  /** A session's connection is lost: it leaves every stream, unless somebody joins under the same ids in time. */
  lost: (sid: string) => void
  /** Who is there. */
  present: (stream: string) => readonly PresenceRecord[]
  /** Says who has not come back; to be called every second or so. */
  expire: () => void
}
