/**
 * WebSockets: the only file that knows ws.
 *
 * `ws` owns the connection: the handshake, fragments, masks, limits, control frames, the close. We write complete
 * frames directly to the socket of the upgrade: many sessions share one Buffer, and all frames for one session in one turn
 * of the event loop leave in one write.
 *
 * We probe a silent peer with a WebSocket ping, which browsers answer, and free one that does not.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { type ReportFailure, tryEach } from '../base/failure.ts'
import { selectSubprotocol } from '../protocol/negotiate.ts'
import type { Accept } from '../session/admission.ts'
import { ClientSocket, type SocketSettings } from './socket.ts'
import { Wheel } from './wheel.ts'

export interface WebSocketSettings extends SocketSettings {
  maxMessageSize: number
  /** We probe a silent peer within twice this time, and free it if it does not answer within as long again. */
  probeMs: number
  failed: ReportFailure
  /** Answers a handshake that ws refuses. */
  malformed: (request: IncomingMessage, socket: Duplex) => void
}

export interface WebSockets {
  /** Takes an upgrade request. */
  open: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  stop: () => void
  /** Open connections that we accepted. */
  readonly count: number
}

/** Calls `accept` when a client has connected. */
export function createWebSockets(settings: WebSocketSettings, accept: Accept): WebSockets {
  const server = new WebSocketServer({
    WebSocket: DirectWebSocket,
    noServer: true,
    clientTracking: false,
    // Each deflating session costs 235 KiB; Turbo's messages are small.
    perMessageDeflate: false,
    maxPayload: settings.maxMessageSize,
    // Each fragment takes a Buffer, however few bytes it has.
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_FRAGMENTS,
    handleProtocols: selectSubprotocol,
    // We wait no longer than this for a peer that does not answer our close frame.
    ...{ closeTimeout: 2_000 }, // (not in @types/ws yet)
  })
  server.on('wsClientError', (_, socket, request) => settings.malformed(request, socket))
  const { failed } = settings
  const probe = (slot: Iterable<ClientSocket>) => tryEach(slot, socket => socket.probe(), failed)
  const probes = new Wheel<ClientSocket>(settings.probeMs, probe, failed)

  return {
    open: (request, socket, head) => {
      // The answer to the upgrade leaves together with the welcome.
      settings.turn.hold(socket)
      server.handleUpgrade(request, socket, head, ws => {
        const connection = new ClientSocket(ws, socket, settings)
        ;(ws as DirectWebSocket).connection = connection
        const accepted = accept(connection, request)
        if (accepted === undefined) return
        if ('answer' in accepted) connection.wait(accepted, probes)
        else connection.listen(accepted, probes)
      })
    },
    stop: () => probes.stop(),
    get count() {
      return probes.size
    },
  }
}

/** Fragments of a message, and chunks that ws buffers for one frame. */
const MAX_FRAGMENTS = 1024

/**
 * The package's WebSocket, which hands its events directly to our connection: listeners would take memory for each client.
 * It overrides `emit`, which relies on the inside of ws, so package.json pins its version. It also marks the connection as
 * closed when it begins to close, because nothing may be written after that.
 */
export class DirectWebSocket extends WebSocket {
  connection: ClientSocket | undefined

  override emit(event: string | symbol, ...about: unknown[]): boolean {
    const { connection } = this
    if (connection === undefined) return super.emit(event, ...about)
    if (event === 'message') connection.received(about[0] as Buffer, about[1] as boolean)
    else if (event === 'pong') connection.answered()
    else if (event === 'ping') connection.pinged()
    else if (event === 'error') connection.failed(about[0] as NodeJS.ErrnoException)
    else if (event === 'close') connection.closed()
    else return super.emit(event, ...about)
    return true
  }

  override close(code?: number, reason?: string | Buffer): void {
    if (this.connection !== undefined) this.connection.isOpen = false
    super.close(code, reason)
  }

  override terminate(): void {
    if (this.connection !== undefined) this.connection.isOpen = false
    super.terminate()
  }
}

/** Settings, by their names. */
export interface ClientSettings {
  readonly max_message_size: number
  readonly ws_max_pending_size: number
  /** Seconds. */
  readonly ping_interval: number
  readonly max_command_burst: number
  readonly max_command_rate: number
  readonly max_subscriptions: number
}

export const webSocketSettings = (settings: ClientSettings) => ({
  maxMessageSize: settings.max_message_size,
  maxPendingSize: settings.ws_max_pending_size,
  probeMs: Math.min(1.5 * settings.ping_interval, 4) * 1000,
  rate: {
    // When a page opens it subscribes to all its streams at once.
    burst: Math.max(settings.max_command_burst, 2 * settings.max_subscriptions),
    perSecond: settings.max_command_rate,
  },
})
