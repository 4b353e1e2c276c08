/**
 * One WebSocket connection, between its session and the package that owns it.
 *
 * We write frames, which are complete and shared, directly to the socket. Messages of the client come in by `received`.
 */
import type { Duplex } from 'node:stream'
import type { Rate } from '../base/rate.ts'
import { type CutCode, ENDINGS, type EndingCode } from '../errors.ts'
import type { Connection, ConnectionListener, Outcome, WaitingClient } from '../hub/connection.ts'
import type { Turn } from '../hub/turn.ts'
import { frameOf, unpooled } from '../protocol/frame.ts'
import type { Slot } from '../session/session-listener.ts'
import { Backlog } from './backlog.ts'
import { Inbox, type InboxOwner } from './inbox.ts'
import type { Wheel } from './wheel.ts'

export interface SocketSettings {
  /** Bytes that may wait for one slow client. 0: no limit. */
  maxPendingSize: number
  rate: Rate
  turn: Turn
  /** Counts the end of a connection, or a message dropped with it, by its reason. */
  refused: (code: CutCode) => void
  /** Counts that a client has to wait, because it sends commands faster than its rate. */
  delayed: () => void
  sent: (bytes: number, frames: number) => void
  received: (bytes: number) => void
}

/** The part of the package's WebSocket that we need. */
export interface PackageSocket {
  readonly protocol: string
  readonly isPaused: boolean
  ping: () => void
  pause: () => void
  resume: () => void
  close: (code: number, reason: string) => void
  terminate: () => void
}

const ERRORS = new Map<string | undefined, CutCode>([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'message_too_large'],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 'too_many_fragments'],
  ['WS_ERR_INVALID_UTF8', 'text_malformed'],
])

// There are very many sockets, so they share their settings.
export class ClientSocket extends Backlog implements Connection, InboxOwner {
  isOpen = true
  readonly #socket: Duplex
  readonly settings: SocketSettings
  session: Connection['session']
  readonly #ws: PackageSocket
  #listener: ConnectionListener | undefined
  /** `undefined` once the client is admitted or refused. */
  #waiting: WaitingClient | undefined
  #slot: Slot<ClientSocket> | undefined
  #inbox: Inbox | undefined
  /** Probes since the client last sent something. */
  #quiet = 0
  #cut = false
  /** Whether we closed the connection, so that we execute no further command. */
  #refuses = false
  #isGone = false
  /** The number of the turn that wrote last. */
  #turn = -1
  #drains = false

  constructor(ws: PackageSocket, socket: Duplex, settings: SocketSettings) {
    super()
    this.#ws = ws
    this.#socket = socket
    this.settings = settings
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  listen(listener: ConnectionListener, probes: Wheel<ClientSocket>): void {
    this.#listener = listener
    this.#slot = probes.add(this)
    this.#inbox ??= new Inbox(this)
  }

  /** Keeps the client's commands until the answer; drops them if that is a refusal. */
  wait(waiting: WaitingClient, probes: Wheel<ClientSocket>): void {
    const inbox = new Inbox(this)
    this.#inbox = inbox
    this.#waiting = waiting
    inbox.hold()
    waiting.answer.then(listener => {
      this.#waiting = undefined
      if (listener === undefined) {
        inbox.stop()
        return this.#ws.resume() // (to read the answer to our close)
      }
      this.listen(listener, probes)
      inbox.release()
    })
  }

  send(frame: Buffer): void {
    this.settings.turn.settle()
    this.deliver(frame, 1, true)
  }

  transmit(text: string): void {
    this.send(frameOf(text))
  }

  deliver(frames: Buffer, count: number, more: boolean, rest?: Buffer): boolean {
    const { maxPendingSize, turn, sent } = this.settings
    const socket = this.#socket
    if (!this.isOpen || !socket.writable) return true
    const size = rest === undefined ? frames.length : frames.length + rest.length
    const waited = socket.writableLength
    this.#beginTurn(waited)
    if (maxPendingSize > 0 && !this.#cut && this.exceeds(maxPendingSize, waited, size)) {
      this.#cut = true
      this.#listener?.tooSlow()
      return true
    }
    if (more || rest !== undefined) turn.hold(socket)
    // These bytes will wait for a while, and must not keep the slab that they are part of.
    const own = this.isBehind ? unpooled(frames) : frames
    socket.write(own)
    if (rest !== undefined) socket.write(rest)
    sent(size, count)
    // If nothing waits, the kernel has taken the bytes.
    return own !== frames || socket.writableLength === 0
  }

  ping(frame: Buffer): void {
    const { maxPendingSize, turn } = this.settings
    if (maxPendingSize > 0 && this.#socket.writableLength >= maxPendingSize) return
    turn.settle()
    // No other frames follow in this turn, so write at once.
    this.deliver(frame, 1, false)
  }

  congested(size: number): boolean {
    const { maxPendingSize } = this.settings
    const socket = this.#socket
    if (!this.isOpen || !socket.writable) return true
    const waits = socket.writableLength
    if (waits === 0 || maxPendingSize === 0) return false
    this.#beginTurn(waits)
    if (!this.isFull(maxPendingSize, waits, size)) return false
    if (!this.#drains) {
      this.#drains = true
      // (Node emits `drain` only if more bytes wait than its own limit.)
      socket.write(NOTHING, error => {
        this.#drains = false
        if (!error) this.#listener?.drained()
      })
    }
    return true
  }

  #beginTurn(waits: number): void {
    const { number } = this.settings.turn
    if (waits > 0 && this.#turn === number) return
    this.#turn = number
    this.begin(waits)
  }

  pending(): number {
    return this.#socket.writableLength
  }

  hold(isHeld: boolean): void {
    if (isHeld) this.#inbox?.hold()
    else this.#inbox?.release()
  }

  close(code: EndingCode): void {
    this.#refuses = true
    const [status, text] = ENDINGS[code].close
    this.#ws.close(status, text)
    if (this.#isGone) this.#inbox?.stop()
  }

  /** Pings a silent peer, and cuts it off if it does not answer. */
  probe(): void {
    const ws = this.#ws
    if (ws.isPaused) return // (we would not read the answer)
    this.#quiet++
    if (this.#quiet === 2) ws.ping()
    if (this.#quiet < 4) return
    this.settings.refused('peer_vanished')
    ws.terminate()
  }

  answered(): void {
    this.#quiet = 0
    this.#inbox?.count()
    this.#listener?.heard()
  }

  /** (ws answers it.) */
  pinged(): void {
    this.#quiet = 0
    this.#inbox?.count()
  }

  received(data: Buffer, isBinary: boolean): void {
    // Ignore a client that we refused, or are disconnecting.
    if (this.#inbox === undefined || !this.isOpen) return
    this.#quiet = 0
    this.settings.received(data.length)
    // We read a binary frame as text, as in the reference. ws checks the UTF-8 of text frames only.
    this.#inbox.take(isBinary ? decode(data) : data.toString(), data.length)
  }

  get rate(): Rate {
    return this.settings.rate
  }

  handle(text: string | undefined): Outcome {
    return this.#refuses ? 'free' : this.#listener!.message(text)
  }

  pause(): void {
    this.#ws.pause()
  }

  delayed(): void {
    this.settings.delayed()
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

  /** The session ends after the last command that its client sent before it closed. */
  closed(): void {
    this.isOpen = false
    this.#isGone = true
    this.#slot?.delete(this)
    this.#inbox?.end()
    if (this.#refuses) this.#inbox?.stop()
  }

  dropped(): void {
    this.settings.refused('commands_dropped')
  }

  ended(): void {
    if (this.#waiting !== undefined) this.#waiting.closed()
    else this.#listener?.closed()
  }
}

const NOTHING = Buffer.alloc(0)

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function decode(data: Buffer): string | undefined {
  try {
    return UTF8.decode(data)
  } catch {
    return undefined
  }
}
