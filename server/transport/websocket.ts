/**
 * WebSockets: the only file that knows ws.
 *
 * `ws` owns the connection: the handshake, fragments, masks, limits, control frames, the close. What we send is written
 * to the socket that the upgrade handed us, as frames that are already complete: many sessions share one Buffer, and
 * several frames for one session in one turn of the event loop leave in one write.
 *
 * A peer that says nothing is probed with a WebSocket ping, which browsers answer by themselves: who vanished without a
 * word is freed.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { ENDINGS, type EndingCode } from '../errors.ts'
import { type Failed, tryEach } from '../failure.ts'
import { unpooled } from '../protocol/frame.ts'
import { selectSubprotocol } from '../protocol/negotiate.ts'
import type { Connection, Listener, Outcome } from './connection.ts'
import { Inbox, type InboxOwner } from './inbox.ts'
import type { Rate } from './rate.ts'
import type { Turn } from './turn.ts'
import { type Slot, Wheel } from './wheel.ts'

export interface WebSocketSettings {
  maxMessageSize: number
  /** Bytes that may wait for one slow client. 0: no limit. */
  maxPendingSize: number
  /** A silent peer is probed within twice this, and freed when it has not answered in as long. */
  probeMs: number
  rate: Rate
  turn: Turn
  /** Counts what ended a connection, or made it wait. */
  refused: (code: ConnectionFault | 'commands_limit' | 'peer_vanished') => void
  sent: (bytes: number, frames: number) => void
  received: (bytes: number) => void
  failed: Failed
}

type ConnectionFault = 'message_too_large' | 'message_in_too_many_pieces' | 'text_malformed' | 'frame_malformed'

export type Accept = (connection: Connection, request: IncomingMessage) => Listener | undefined

export interface WebSockets {
  /** Takes an upgrade request. */
  open: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  stop: () => void
  /** Connections that were accepted and are open. */
  readonly count: number
}

/** `accept` is called once the client is connected. */
export function createWebSockets(settings: WebSocketSettings, accept: Accept): WebSockets {
  const server = new WebSocketServer({
    WebSocket: Client,
    noServer: true,
    clientTracking: false,
    // Each deflating session costs 235 KiB; Turbo's messages are small.
    perMessageDeflate: false,
    maxPayload: settings.maxMessageSize,
    // Each piece costs a Buffer, however few bytes it has.
    maxFragments: MAX_PIECES,
    maxBufferedChunks: MAX_PIECES,
    handleProtocols: selectSubprotocol,
    // A peer that does not answer our close frame is gone; nothing waits for it longer than this.
    ...{ closeTimeout: 2_000 }, // (not in @types/ws yet)
  })
  const { failed } = settings
  const probe = (slot: Iterable<Socket>) => tryEach(slot, socket => socket.probe(), failed)
  const probes = new Wheel<Socket>(settings.probeMs, probe, failed)

  return {
    open: (request, socket, head) => {
      // The answer to the upgrade leaves together with the welcome.
      settings.turn.hold(socket)
      server.handleUpgrade(request, socket, head, ws => {
        const connection = new Socket(ws as Client, socket, settings)
        const listener = accept(connection, request)
        if (listener !== undefined) connection.listen(listener, probes)
      })
    },
    stop: () => probes.stop(),
    get count() {
      return probes.size
    },
  }
}

/** More than ever waits. */
const EVERYTHING = 2 ** 30

/** Fragments of a message, and reads that it took to have a frame. */
const MAX_PIECES = 1024

const ERRORS = new Map<string | undefined, ConnectionFault>([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'message_too_large'],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 'message_in_too_many_pieces'],
  ['WS_ERR_INVALID_UTF8', 'text_malformed'],
])

/**
 * The package's WebSocket, which knows its connection: what it tells goes there, without listeners, of which there would
 * be very many. And it tells when it begins to close, whoever wants it: after that nothing may be written.
 */
class Client extends WebSocket {
  connection: Socket | undefined

  override emit(event: string | symbol, ...about: unknown[]): boolean {
    const { connection } = this
    if (connection === undefined) return super.emit(event, ...about)
    if (event === 'message') connection.received(about[0] as Buffer, about[1] as boolean)
    else if (event === 'pong') connection.answered()
    else if (event === 'ping') connection.pinged()
    else if (event === 'error') connection.failed(about[0] as NodeJS.ErrnoException)
    else if (event === 'close') connection.closed()
    return true
  }

  override close(code?: number, reason?: string | Buffer): void {
    if (this.connection !== undefined) this.connection.open = false
    super.close(code, reason)
  }

  override terminate(): void {
    if (this.connection !== undefined) this.connection.open = false
    super.terminate()
  }
}

// There are very many of these, so what they share is kept once.
class Socket implements Connection, InboxOwner {
  open = true
  readonly #socket: Duplex
  readonly settings: WebSocketSettings
  session: Connection['session']
  readonly #ws: WebSocket
  #listener: Listener | undefined
  #slot: Slot<Socket> | undefined
  #inbox: Inbox | undefined
  /** Turns of the probes since anything was heard. */
  #quiet = 0
  #cut = false
  /**
   * Bytes of the write that is under way; what was written when nothing waited, as long as this turn lasts. They are no
   * queue, as in the reference, though Node counts them until the last is gone: without this, any message that follows
   * one as large as the limit would be too much.
   */
  #writing = EVERYTHING
  /**
   * Bytes that waited behind it when this turn began: what the reader did not take. What we add in a turn says nothing
   * about the reader before the turn is over.
   */
  #queued = 0
  /** Whether anything waited when this turn began. */
  #behind = false
  #drains = false

  constructor(ws: Client, socket: Duplex, settings: WebSocketSettings) {
    this.#ws = ws
    this.#socket = socket
    this.settings = settings
    ws.connection = this
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  listen(listener: Listener, probes: Wheel<Socket>): void {
    this.#listener = listener
    this.#slot = probes.add(this)
    this.#inbox = new Inbox(this)
  }

  send(frame: Buffer): void {
    this.settings.turn.settle()
    this.deliver(frame, 1, true)
  }

  deliver(frames: Buffer, count: number, more: boolean, rest?: Buffer): boolean {
    const { maxPendingSize, turn, sent } = this.settings
    const socket = this.#socket
    if (!this.open || !socket.writable) return true
    const size = rest === undefined ? frames.length : frames.length + rest.length
    const waited = socket.writableLength
    if (waited === 0) this.#isUpToDate()
    else if (socket.writableCorked === 0) this.#isBehind(waited)
    if (this.#queued > 0 && maxPendingSize > 0 && waited - this.#writing + size > maxPendingSize && !this.#cut) {
      this.#cut = true
      this.#listener?.tooSlow()
      return true
    }
    if (more || rest !== undefined) turn.hold(socket)
    // It will wait for a while: a few bytes must not hold the slab that they were cut from.
    const own = this.#behind ? unpooled(frames) : frames
    socket.write(own)
    if (rest !== undefined) socket.write(rest)
    sent(size, count)
    // What the kernel took is not kept.
    return own !== frames || socket.writableLength === 0
  }

  #isUpToDate(): void {
    this.#writing = EVERYTHING
    this.#queued = 0
    this.#behind = false
  }

  /** A turn begins, and `waited` bytes of those before it were not taken. */
  #isBehind(waited: number): void {
    this.#writing = Math.min(this.#writing, waited)
    this.#queued = waited - this.#writing
    this.#behind = true
  }

  ping(frame: Buffer): void {
    const { maxPendingSize, turn } = this.settings
    if (maxPendingSize > 0 && this.#socket.writableLength >= maxPendingSize) return
    turn.settle()
    // It comes by itself, so it is written at once.
    this.deliver(frame, 1, false)
  }

  congested(): boolean {
    const { maxPendingSize } = this.settings
    const socket = this.#socket
    // What this turn brought is no sign of a slow reader, but there may be too much of it.
    const enough = socket.writableCorked > 0 && !this.#behind ? maxPendingSize : maxPendingSize / 2
    const much = maxPendingSize > 0 && socket.writableNeedDrain && socket.writableLength >= enough
    if (much && !this.#drains) {
      this.#drains = true
      socket.once('drain', () => {
        this.#drains = false
        this.#listener?.drained()
      })
    }
    return much
  }

  pending(): number {
    return this.#socket.writableLength
  }

  close(code: EndingCode): void {
    const [status, text] = ENDINGS[code].close
    this.#ws.close(status, text)
  }

  /** Asks a peer that says nothing whether it lives; who does not answer is gone. */
  probe(): void {
    const ws = this.#ws
    if (ws.isPaused) return // it is we who do not listen
    this.#quiet++
    if (this.#quiet === 2) ws.ping()
    if (this.#quiet < 4) return
    this.settings.refused('peer_vanished')
    ws.terminate()
  }

  answered(): void {
    this.#quiet = 0
    this.#listener?.heard()
  }

  /** (ws answers it.) */
  pinged(): void {
    this.#quiet = 0
    this.#inbox?.count()
  }

  received(data: Buffer, isBinary: boolean): void {
    // A client that was refused, or is being sent away, is not heard.
    if (this.#inbox === undefined || !this.open) return
    this.#quiet = 0
    this.settings.received(data.length)
    // A binary frame is read as the text it holds, as in the reference; ws has checked only the others.
    this.#inbox.take(isBinary ? decode(data) : data.toString(), data.length)
  }

  get rate(): Rate {
    return this.settings.rate
  }

  handle(text: string | undefined): Outcome {
    return this.open ? this.#listener!.message(text) : 'free'
  }

  pause(): void {
    this.settings.refused('commands_limit')
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }

  flooded(): void {
    this.#listener?.flooded()
  }

  /** (ws closes with the right code: 1009, 1007, 1002.) */
  failed({ code }: NodeJS.ErrnoException): void {
    this.settings.refused(ERRORS.get(code) ?? 'frame_malformed')
  }

  closed(): void {
    this.open = false
    this.#inbox?.stop()
    this.#slot?.delete(this)
    this.#listener?.closed()
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decode(data: Buffer): string | undefined {
  try {
    return UTF8.decode(data)
  } catch {
    return undefined
  }
}
