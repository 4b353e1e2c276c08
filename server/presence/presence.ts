/**
 * Presence: who is there, on a stream.
 *
 * A member (`id`, which the client chooses) is present while one of its sessions is. A session whose connection is lost
 * is given some time to come back before it leaves. What a member says of itself (`info`) is kept as JSON text, because
 * that is how it is sent.
 */

export interface PresenceEvent {
  readonly stream: string
  readonly type: 'join' | 'leave'
  readonly id: string
  /** JSON text, as it was sent. */
  readonly info?: string | undefined
}

/** The members of a stream. */
export interface Attendance {
  readonly total: number
  /** JSON text, each with `info` and `id`; fewer than `total` where an answer must not have more bytes. */
  readonly records: readonly string[]
}

export interface Presence {
  /**
   * A session joins as `id`; joining again replaces the info, which is JSON text. `mismatch`: it has joined the stream as
   * another member.
   */
  join: (stream: string, sid: string, id: string, info: string | undefined) => 'joined' | 'mismatch'
  /** A session leaves at once. */
  leave: (stream: string, sid: string) => void
  /** A session's connection is lost: it leaves every stream, unless it joins under the same ids in time. */
  lost: (sid: string) => void
  /** `maxBytes` of records; by default as many as an answer may have. */
  present: (stream: string, maxBytes?: number) => Attendance
  /** Lets those leave that have not come back; to be called every second or so. */
  expire: () => void
}

/** An attendance as JSON. One that lacks records says so in a key that stock clients ignore. */
export const printAttendance = ({ total, records }: Attendance): string =>
  `{"type":"info","total":${total},"records":[${records.join(',')}]${records.length < total ? ',"truncated":true' : ''}}`

/** An event's message as JSON. */
export const printEvent = ({ type, id, info }: PresenceEvent): string =>
  `{"id":${JSON.stringify(id)},${infoField(info)}"type":"${type}"}`

export const printRecord = (id: string, info: string | undefined): string =>
  `{${infoField(info)}"id":${JSON.stringify(id)}}`

const infoField = (info: string | undefined): string => (info === undefined ? '' : `"info":${info},`)
