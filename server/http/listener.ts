/**
 * One port: a Hono app, handlers for what is too busy for it, and upgrades where they are wanted.
 *
 * Bounds come before anything is looked at: whoever dribbles headers or bodies is cut off, headers have a size, and
 * connections that are no session are counted, so that nobody can hold the port by holding sockets.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { FAILURES } from '../errors.ts'

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Answers a request on Node's own objects. What it throws is answered with a 500. */
export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface ListenerSettings {
  handshakeMs: number
  maxHeaderSize: number
  /** Whether one more connection is one too many. */
  crowded: (connections: number) => boolean
  /** PEM files; `undefined`: plain HTTP. */
  tls: { cert: string; key: string } | undefined
  /** A bug: a request that threw. */
  failed: (error: Error) => void
  refused: (code: 'header_too_large' | 'handshake_timeout' | 'request_malformed' | 'connections_limit') => void
}

export interface Listener {
  readonly app: Hono
  /** By their path; the app is not asked. */
  readonly handlers: Map<string, Handle>
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
  const handlers = new Map<string, Handle>()
  const ask = getRequestListener(app.fetch)
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const handle = handlers.get(pathOf(request)) ?? ask
    handle(request, response).catch(error => fail(error, response, settings))
  }
  const server: Server = tls
    ? createSecureServer(
        { ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key), minVersion: 'TLSv1.2' },
        answer,
      )
    : createServer(options, answer)
  const sockets = track(server, settings)
  server.on('upgrade', (request, socket, head) => {
    try {
      upgrade(request, socket, head)
    } catch (error) {
      settings.failed(error as Error)
      socket.destroy()
    }
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseClient(error, socket, settings))

  return {
    app,
    handlers,
    async listen(host, port) {
      server.listen(port, host)
      await once(server, 'listening')
      // A connection that the system cannot give us, for want of file descriptors or memory, must not end the others.
      server.on('error', settings.failed)
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
  const ignore = () => {}
  function forget(this: Socket): void {
    sockets.delete(this)
  }
  server.on('connection', (socket: Socket) => {
    // An upgraded socket has nobody else to hear its errors until ws takes it.
    socket.on('error', ignore)
    if (crowded(sockets.size + 1)) {
      refused('connections_limit')
      socket.destroy()
      return
    }
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', forget)
  })
  return sockets
}

/** The path that a request is for, as it was sent. Ruby's anycable gem sends the whole URL (RFC 9112, 3.2.2). */
export const pathOf = ({ url = '' }: IncomingMessage): string => {
  if (!url.startsWith('/')) return URL.parse(url)?.pathname ?? url
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

function fail(error: Error, response: ServerResponse, { failed }: ListenerSettings): void {
  failed(error)
  if (response.headersSent) return void response.destroy()
  const [status, message] = FAILURES.internal
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: 'internal', message }))
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
