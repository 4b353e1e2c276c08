/**
 * Server-sent events: a session over plain HTTP, one way.
 *
 *   GET  /events?turbo_signed_stream_name=…&jid=…     a subscription for each name; data is the message itself, as Turbo's
 *                                                     native <turbo-stream-source src> wants it
 *   POST /events, one command per line                several; data is the whole frame
 *
 * The browser reconnects and sends its position (Last-Event-ID). A session sends the same frames as to a WebSocket, and we
 * turn them into events here, so that the hot path does not need to know about them.
 */
import type { ServerResponse } from 'node:http'
import type { Connection, ConnectionListener } from '../hub/connection.ts'
import type { Turn } from '../hub/turn.ts'
import { type Format, formatEvent, formatLastEventId, formatTransmission } from '../protocol/event.ts'
import { payloadsOf } from '../protocol/frame.ts'
import type { Position } from '../protocol/position.ts'
import { Backlog } from './backlog.ts'
import type { LargeEvents } from './large-events.ts'

export interface EventStreamSettings {
  /** Bytes that may wait for one slow client. 0: no limit. */
  maxPendingSize: number
  turn: Turn
  large: LargeEvents
  sent: (bytes: number, frames: number) => void
}

type EventStreamListener = Pick<ConnectionListener, 'drained' | 'tooSlow' | 'closed'>

/** Holds its events until `open`, so that we can still answer a refusal with a status. */
export interface EventStream extends Connection {
  /** Sends an id, which says that the client has all messages up to `position`, unless there was a gap. */
  sendLastEventId: (stream: string, position: Position) => void
  /** Leaves out ids until `isDone` returns true for the first time. */
  withholdIds: (isDone: () => boolean) => void
  listen: (listener: EventStreamListener) => void
  open: (headers: Record<string, string>) => void
}

/** How long a client may take to read the last events before we close the connection. */
const END_TIMEOUT_MS = 2_000

/** `response` must have its socket already; the connection ends with it. */
export function createEventStream(
  response: ServerResponse,
  format: Format,
  { maxPendingSize, turn, large, sent }: EventStreamSettings,
): EventStream {
  const socket = response.socket!
  const backlog = new Backlog()
  let isTurn = false
  const endTurn = () => {
    isTurn = false
  }
  let held: (string | Buffer)[] = []
  let heldSize = 0
  let listener: EventStreamListener | undefined
  let state: 'held' | 'open' | 'closed' = 'held'
  let isCaughtUp: (() => boolean) | undefined
  const present = (): Format => {
    if (isCaughtUp?.() === false) return { ...format, withoutIds: true }
    isCaughtUp = undefined
    return format
  }

  const isTooSlow = (size: number): boolean => {
    const waits = response.writableLength
    if (!isTurn) {
      isTurn = true
      turn.after(endTurn)
      backlog.begin(waits)
    } else if (waits === 0) backlog.begin(0)
    return maxPendingSize > 0 && backlog.exceeds(maxPendingSize, waits, size)
  }

  const write = (event: string | Buffer) => {
    if (event.length === 0 || state === 'closed') return
    const size = Buffer.byteLength(event)
    if (state === 'held') {
      held.push(event)
      heldSize += size
      // (An answer to one of its subscribes may take its time.)
      if (maxPendingSize > 0 && heldSize > 4 * maxPendingSize) {
        state = 'closed'
        held = []
      }
    } else if (isTooSlow(size)) {
      state = 'closed'
      listener?.tooSlow()
      response.destroy()
    } else {
      response.write(event)
      sent(size, 1)
    }
  }

  const deliver: Connection['deliver'] = (frames: Buffer, _count?: number, _more?: boolean, rest?: Buffer) => {
    if (state === 'closed') return true
    const how = present()
    if (rest !== undefined) write(large.eventOf(frames, rest, how))
    else for (const payload of payloadsOf(frames)) write(formatEvent(payload.toString(), how))
    return true
  }
  const send = (frame: Buffer) => {
    turn.settle()
    deliver(frame, 1, false)
  }

  return {
    protocol: '',
    session: undefined,
    get isOpen() {
      return state !== 'closed'
    },
    send,
    deliver,
    transmit(text) {
      turn.settle()
      write(formatTransmission(text, present()))
    },
    ping(frame) {
      if (maxPendingSize === 0 || response.writableLength < maxPendingSize) send(frame)
    },
    congested() {
      if (maxPendingSize === 0) return false
      // A replay starts when nothing waits, or in the turn of the request, so its size cannot make the reader too slow.
      const waits = state === 'held' ? heldSize : response.writableNeedDrain ? response.writableLength : 0
      return waits >= maxPendingSize / 2
    },
    pending: () => response.writableLength,
    hold() {}, // (it has no messages)
    sendLastEventId(stream, position) {
      // After a gap the client must keep its old id, so that the gap comes again if it reconnects before it has healed.
      if (!held.some(event => String(event).startsWith('event: reject_history\n')))
        write(formatLastEventId(stream, position))
    },
    withholdIds(isDone) {
      isCaughtUp = isDone
    },
    listen(to) {
      listener = to
      response.on('drain', () => to.drained())
      response.on('error', () => {})
      socket.once('close', () => {
        state = 'closed'
        to.closed()
      })
    },
    open(headers) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        // A proxy that compresses would keep events until it has enough for a block.
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        // It ends with the stream: a connection that stays open would hold up a shutdown.
        connection: 'close',
        'x-content-type-options': 'nosniff',
        ...headers,
      })
      response.flushHeaders()
      state = 'open'
      for (const event of held) write(event)
      held = []
      // Replays may have waited for these events to be written.
      listener?.drained()
    },
    close() {
      if (state === 'open') {
        response.end()
        setTimeout(() => response.destroy(), END_TIMEOUT_MS).unref()
      }
      state = 'closed'
    },
  }
}
