/**
 * Presence: the members that are online on a stream.
 *
 * A member (`id`, which the client chooses) is present while one of its sessions is. A session that loses its connection
 * has some time to come back before it leaves. We keep and send a member's `info` as the client's own JSON text.
 */

import type { Soon } from '../base/soon.ts'
import type { Live } from '../broker.ts'

export interface PresenceEvent {
  readonly stream: string
  readonly type: 'join' | 'leave'
  readonly id: string
  /** JSON text, as the client sent it. */
  readonly info?: string | undefined
}

/** The members of a stream. */
export interface Attendance {
  readonly total: number
  /** JSON text, each with `info` and `id`; fewer than `total` if an answer would have too many bytes. */
  readonly records: readonly string[]
}

/** It takes the calls of one node in their order. Each method may reject BrokerUnavailable. */
export interface Presence {
  /**
   * A session joins as `id`; joining again replaces the info, which is JSON text. `mismatch`: the session has joined the
   * stream under another id.
   */
  join: (stream: string, sid: string, id: string, info: string | undefined) => Soon<'joined' | 'mismatch'>
  /** A session leaves at once. */
  leave: (stream: string, sid: string) => Soon<void>
  /** A session that lost its connection leaves every stream, unless it joins under the same ids in time. */
  lost: (sid: string) => Soon<void>
  /** `maxBytes` of records; by default as many as an answer may have. */
  present: (stream: string, maxBytes?: number) => Soon<Attendance>
}

/** Encodes an attendance as JSON. `truncated`, which stock clients ignore, says that records are missing. */
export const printAttendance = ({ total, records }: Attendance): string =>
  `{"type":"info","total":${total},"records":[${records.join(',')}]${records.length < total ? ',"truncated":true' : ''}}`

/** Returns an event as a message to its stream, which no page may take for HTML. */
export const eventMessage = (event: PresenceEvent): Live => ({
  message: printEvent(event),
  type: 'presence',
  fromClient: true,
})

/** Encodes an event's message as JSON. */
const printEvent = ({ type, id, info }: PresenceEvent): string =>
  `{"id":${JSON.stringify(id)},${infoField(info)}"type":"${type}"}`

export const printRecord = (id: string, info: string | undefined): string =>
  `{${infoField(info)}"id":${JSON.stringify(id)}}`

const infoField = (info: string | undefined): string => (info === undefined ? '' : `"info":${info},`)
