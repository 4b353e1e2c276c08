/**
 * One port: a Hono app, and upgrades where they are wanted.
 *
 * Bounds come before anything is looked at: whoever dribbles headers or bodies is cut off, headers have a size, and
 * connections that are no session are counted, so that nobody can hold the port by holding sockets.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface ListenerSettings {
  handshakeMs: number
  maxHeaderSize: number
  /** Whether one more connection is one too many. */
  crowded: (connections: number) => boolean
  /** PEM files; `undefined`: plain HTTP. */
  tls: { cert: string; key: string } | undefined
  refused: (code: 'header_too_large' | 'handshake_timeout' | 'request_malformed' | 'connections_limit') => void
}

export interface Listener {
  readonly app: Hono
  listen: (host: string, port: number) => Promise<void>
  /** `http://127.0.0.1:8080`; known once listening. */
  readonly origin: string
  /** Stops listening at once; resolves when the last connection is gone, which is cut when `timeoutMs` is over. */
  close: (timeoutMs: number) => Promise<void>
}

export function createListener(app: Hono, upgrade: Upgrade, settings: ListenerSettings): Listener {
  const { handshakeMs, tls } = settings
  const options = {
    headersTimeout: handshakeMs,
    requestTimeout: 2 * handshakeMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: settings.maxHeaderSize,
  }
  const answer = getRequestListener(app.fetch)
  const server: Server = tls
    ? createSecureServer(
        { ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key), minVersion: 'TLSv1.2' },
        answer,
      )
    : createServer(options, answer)
  const sockets = track(server, settings)
  server.on('upgrade', upgrade)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseClient(error, socket, settings))

  return {
    app,
    async listen(host, port) {
      server.listen(port, host)
      await once(server, 'listening')
    },
    get origin() {
      const { address, port, family } = server.address() as AddressInfo
      return `${tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    },
    async close(timeoutMs) {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, timeoutMs)
      await closed
      clearTimeout(deadline)
    },
  }
}

function track(server: Server, { crowded, refused }: ListenerSettings): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    // An upgraded socket has nobody else to hear its errors until ws takes it.
    socket.on('error', () => {})
    if (crowded(sockets.size + 1)) {
      refused('connections_limit')
      socket.destroy()
      return
    }
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return sockets
}

/** What never became a request: an answer, where one can still be read, and the end. */
function refuseClient({ code }: NodeJS.ErrnoException, socket: Duplex, { refused }: ListenerSettings): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const [reason, status] =
    code === 'HPE_HEADER_OVERFLOW'
      ? (['header_too_large', '431 Request Header Fields Too Large'] as const)
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? (['handshake_timeout', '408 Request Timeout'] as const)
        : (['request_malformed', '400 Bad Request'] as const)
  refused(reason)
  refuseUpgrade(socket, status)
}

/** Answers with a plain HTTP error, and closes. */
export function refuseUpgrade(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
