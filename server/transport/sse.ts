/**
 * Server-sent events: a session over plain HTTP, one way.
 *
 *   GET  /events?turbo_signed_stream_name=…&jid=…     one subscription; data is the message itself, as Turbo's native
 *                                                     <turbo-stream-source src> wants it
 *   POST /events, one command per line                several; data is the whole frame
 *
 *   data: <turbo-stream …>
 *   id: 12/aZ3x/board/1
 *
 * The browser reconnects by itself and says where it was (Last-Event-ID). Frames are taken as every session takes them,
 * and unpacked here; nothing of the hot path knows that this exists.
 */
import type { ServerResponse } from 'node:http'
import { payloadsOf } from '../protocol/frame.ts'
import type { Connection, Listener } from './connection.ts'
import type { Turn } from './turn.ts'

export interface EventStreamSettings {
  /** Bytes that may wait for one slow client. 0: no limit. */
  maxPendingSize: number
  turn: Turn
  sent: (bytes: number, frames: number) => void
}

/** How one client wants its events. */
export interface Format {
  /** Only broadcasts, no welcome, confirmation or ping. */
  raw: boolean
  /** Broadcasts without what is around the message. */
  unwrapped: boolean
}

export interface EventStream extends Connection {
  /** What was said before anything was sent: a refusal is answered with a status instead. */
  readonly held: readonly Frame[]
  /** Sends what was held, and from now on at once. */
  open: (headers: Record<string, string>) => void
  listen: (listener: Pick<Listener, 'drained' | 'tooSlow' | 'closed'>) => void
}

export interface Frame {
  type?: string
  message?: unknown
  stream_id?: string
  epoch?: string
  offset?: number
  reconnect?: boolean
}

export function createEventStream(
  response: ServerResponse,
  format: Format,
  { maxPendingSize, turn, sent }: EventStreamSettings,
): EventStream {
  const held: Frame[] = []
  let listener: Pick<Listener, 'drained' | 'tooSlow' | 'closed'> | undefined
  let state: 'held' | 'open' | 'closed' = 'held'

  const write = (frame: Frame) => {
    const text = formatEvent(frame, format)
    if (text === '') return
    if (maxPendingSize > 0 && response.writableLength >= maxPendingSize) return listener?.tooSlow()
    response.write(text)
    sent(text.length, 1)
  }

  const deliver = (frames: Buffer, _count = 1, _more = false, rest?: Buffer) => {
    for (const payload of payloadsOf(rest === undefined ? frames : Buffer.concat([frames, rest]))) {
      if (state === 'closed') break
      const frame: Frame = JSON.parse(payload.toString())
      if (state === 'open') write(frame)
      else held.push(frame)
    }
    return true
  }
  const send = (frame: Buffer) => {
    turn.settle()
    deliver(frame)
  }

  return {
    protocol: '',
    session: undefined,
    held,
    send,
    deliver,
    ping(buffer) {
      if (maxPendingSize === 0 || response.writableLength < maxPendingSize) send(buffer)
    },
    congested: () => response.writableNeedDrain && maxPendingSize > 0 && response.writableLength >= maxPendingSize / 2,
    pending: () => response.writableLength,
    close() {
      if (state === 'open') response.end()
      state = 'closed'
    },
    open(headers) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        // It ends with the stream: a connection that stays open would hold up a shutdown.
        connection: 'close',
        'x-content-type-options': 'nosniff',
        ...headers,
      })
      response.flushHeaders()
      state = 'open'
      for (const frame of held.splice(0)) write(frame)
    },
    listen(to) {
      listener = to
      response.on('drain', to.drained)
      response.once('close', () => {
        state = 'closed'
        to.closed()
      })
    },
  }
}

/** A day short of a year: the browser is told to stay away, since it cannot be told to stop. */
const NEVER_MS = 31_536_000_000

/** An event as text; empty for one that this client does not want. */
export function formatEvent(frame: Frame, { raw, unwrapped }: Format): string {
  const { type, message, stream_id, epoch, offset, reconnect } = frame
  if (type === 'ping' && raw) return ':\n\n'
  if (type !== undefined && raw) return ''
  const data =
    type === undefined && unwrapped
      ? typeof message === 'string'
        ? message
        : JSON.stringify(message)
      : JSON.stringify(frame)
  const lines = data.split(/\r\n|\r|\n/).map(line => `data: ${line}\n`)
  const event = type === undefined ? '' : `event: ${type}\n`
  const id = epoch === undefined || /[\r\n\0]/.test(stream_id ?? '') ? '' : `id: ${offset}/${epoch}/${stream_id}\n`
  const retry = type === 'disconnect' && reconnect === false ? `retry: ${NEVER_MS}\n` : ''
  return `${event}${lines.join('')}${id}${retry}\n`
}
