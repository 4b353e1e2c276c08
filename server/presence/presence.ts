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
  /** JSON text. */
  readonly info?: string | undefined
}

export interface PresenceRecord {
  /** JSON text, as it was sent. */
  readonly info: string | undefined
  readonly id: string
}

export interface Presence {
  /** A session joins as `id`; joining again replaces the info. `mismatch`: it has joined the stream as somebody else. */
  join: (stream: string, sid: string, id: string, info: string | undefined) => 'joined' | 'mismatch'
  /** A session leaves at once. */
  leave: (stream: string, sid: string) => void
  /** A session's connection is lost: it leaves every stream, unless somebody joins under the same ids in time. */
  lost: (sid: string) => void
  /** Who is there. */
  present: (stream: string) => readonly PresenceRecord[]
  /** Says who has not come back; to be called every second or so. */
  expire: () => void
}

/** Who is there, as JSON text: what is asked for over a session and over the API. */
export const printRecords = (records: readonly PresenceRecord[]): string =>
  `{"type":"info","total":${records.length},"records":[${records.map(printRecord).join()}]}`

const printRecord = ({ info, id }: PresenceRecord): string =>
  `{${info === undefined ? '' : `"info":${info},`}"id":${JSON.stringify(id)}}`
