/**
 * WebSockets: the only file that knows ws.
 *
 * `ws` owns the connection: the handshake, fragments, masks, limits, control frames, the close. What we send is written
 * to the socket that the upgrade handed us, as frames that are already complete: many sessions share one Buffer, and
 * several frames for one session in one turn of the event loop leave in one write.
 *
 * Every connection is probed with a WebSocket ping, which browsers answer by themselves: a peer that vanished without a
 * word is freed after two probes.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { ENDINGS, type EndingCode } from '../errors.ts'
import { selectSubprotocol } from '../protocol/negotiate.ts'
import { createFlush, type Flush } from './flush.ts'
import { createBucket, type Rate } from './rate.ts'
import { Wheel } from './wheel.ts'

/** One client, as its session sees it. */
export interface Connection {
  /** The subprotocol that was agreed on; empty for none. */
  readonly protocol: string
  /** Takes a complete WebSocket frame. Nothing happens once the connection is closing. */
  send: (frame: Buffer) => void
  /** Takes a ping, which is let go when much waits to be written: whoever is sent something knows that we live. */
  ping: (frame: Buffer) => void
  /** Whether much waits to be written; `Listener.drained` tells when it does no more. */
  congested: () => boolean
  /** Bytes that wait to be written. */
  pending: () => number
  /** Closes after what was sent, with the ending's code. */
  close: (code: EndingCode) => void
}

/** What a connection tells. */
export interface Listener {
  /** `undefined`: what came is not text. */
  message: (text: string | undefined) => void
  /** The client lives: it answered a probe. */
  heard: () => void
  drained: () => void
  /** The client reads too slowly: more than `maxPendingSize` waits for it. Once. */
  tooSlow: () => void
  /** It is over. Once. */
  closed: () => void
}

export interface WebSocketSettings {
  maxMessageSize: number
  /** Bytes that may wait for one slow client. 0: no limit. */
  maxPendingSize: number
  /** Time between probes; an unanswered one is the last. */
  probeMs: number
  rate: Rate
  /** Counts what ended a connection, or made it wait. */
  refused: (
    code: 'message_too_large' | 'text_malformed' | 'frame_malformed' | 'commands_limit' | 'peer_vanished',
  ) => void
  sent: (bytes: number) => void
  received: (bytes: number) => void
}

export type Accept = (connection: Connection, request: IncomingMessage) => Listener | undefined

export interface WebSockets {
  /** Takes an upgrade request. */
  open: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  stop: () => void
  /** Connections that were accepted and are open. */
  readonly count: number
}

interface Probed {
  heard: boolean
  readonly ws: WebSocket
}

/** `accept` is called once the client is connected. */
export function createWebSockets(settings: WebSocketSettings, accept: Accept): WebSockets {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Each deflating session costs 235 KiB; Turbo's messages are small.
    perMessageDeflate: false,
    maxPayload: settings.maxMessageSize,
    handleProtocols: selectSubprotocol,
    // A peer that does not answer our close frame is gone; nothing waits for it longer than this.
    ...{ closeTimeout: 2_000 }, // (not in @types/ws yet)
  })
  const flush = createFlush()
  const probes = new Wheel<Probed>(settings.probeMs, slot => {
    for (const probed of slot) {
      if (probed.ws.isPaused) continue // it is we who do not listen
      if (!probed.heard) {
        settings.refused('peer_vanished')
        probed.ws.terminate()
      } else {
        probed.heard = false
        probed.ws.ping()
      }
    }
  })

  return {
    open: (request, socket, head) =>
      server.handleUpgrade(request, socket, head, ws => {
        let listener: Listener | undefined
        const connection = connect(ws, socket, settings, flush, () => listener?.tooSlow())
        listener = accept(connection, request)
        // ws closes with the right code (1009, 1007, 1002) and emits 'close'.
        ws.on('error', ({ code }: NodeJS.ErrnoException) => settings.refused(ERRORS.get(code) ?? 'frame_malformed'))
        if (listener !== undefined) listen(ws, socket, listener, settings, probes)
      }),
    stop: () => probes.stop(),
    get count() {
      return probes.size
    },
  }
}

const ERRORS = new Map<string | undefined, 'message_too_large' | 'text_malformed'>([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'message_too_large'],
  ['WS_ERR_INVALID_UTF8', 'text_malformed'],
])

function connect(
  ws: WebSocket,
  socket: Duplex,
  settings: WebSocketSettings,
  flush: Flush,
  tooSlow: () => void,
): Connection {
  const { maxPendingSize } = settings
  let cut = false
  const full = () => maxPendingSize > 0 && socket.writableLength >= maxPendingSize
  const write = (frame: Buffer) => {
    flush(socket)
    socket.write(frame)
    settings.sent(frame.length)
  }
  return {
    protocol: ws.protocol,
    send(frame) {
      if (ws.readyState !== ws.OPEN) return
      if (cut || !full()) return write(frame)
      cut = true
      tooSlow()
    },
    ping(frame) {
      if (ws.readyState === ws.OPEN && !full()) write(frame)
    },
    congested: () => socket.writableNeedDrain && maxPendingSize > 0 && socket.writableLength >= maxPendingSize / 2,
    pending: () => socket.writableLength,
    close(code) {
      const [status, text] = ENDINGS[code].close
      ws.close(status, text)
    },
  }
}

function listen(
  ws: WebSocket,
  socket: Duplex,
  listener: Listener,
  settings: WebSocketSettings,
  probes: Wheel<Probed>,
): void {
  const probed: Probed = { ws, heard: true }
  const stopProbes = probes.add(probed)
  ws.on('pong', () => {
    probed.heard = true
    listener.heard()
  })
  const take = createBucket(settings.rate, () => performance.now())
  let waiting: NodeJS.Timeout | undefined
  ws.on('message', (data: Buffer, isBinary) => {
    probed.heard = true
    const waitMs = take()
    if (waitMs > 0) {
      if (waiting === undefined) settings.refused('commands_limit')
      clearTimeout(waiting)
      ws.pause()
      waiting = setTimeout(() => {
        waiting = undefined
        ws.resume()
      }, waitMs)
    }
    settings.received(data.length)
    // A binary frame is read as the text it holds, as in the reference; ws has checked only the others.
    listener.message(isBinary ? decode(data) : data.toString())
  })
  socket.on('drain', listener.drained)
  ws.on('close', () => {
    clearTimeout(waiting)
    stopProbes()
    listener.closed()
  })
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decode(data: Buffer): string | undefined {
  try {
    return UTF8.decode(data)
  } catch {
    return undefined
  }
}
