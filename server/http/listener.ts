/**
 * One port: a Hono app, handlers for routes too busy for Hono, and upgrades on ports for clients.
 *
 * Bounds apply before we look at a request: we cut off a client that dribbles its TLS handshake, headers or body, limit the
 * size of headers, and count connections that are not sessions.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { CUTS, type CutCode, REQUEST_REFUSALS, type RefusalCode } from '../errors.ts'
import { boundConnections, type ConnectionBounds } from './connections.ts'
import { endWith, LingeringResponse } from './linger.ts'
import { isHost, isWinding, originForm, pathOf } from './target.ts'
import { serveUpgrades, type Upgrade } from './upgrade.ts'

/** PEM texts. */
export interface Tls {
  readonly cert: string
  readonly key: string
}

/** Answers a request on Node's own objects. If it throws, the client gets a 500. */
export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export interface ListenerSettings extends Pick<ConnectionBounds, 'isCrowded'> {
  handshakeMs: number
  maxHeaderSize: number
  /** `undefined`: plain HTTP. */
  tls: Tls | undefined
  /** Reports a bug: a handler threw. */
  failed: (error: Error) => void
  refused: (code: CutCode) => void
}

/** Longer than a balancer keeps an idle connection, so that we never close one on which it sends a request. */
const KEEP_ALIVE_MS = 75_000

export interface HttpListener {
  readonly app: Hono
  /** By path; the app does not see these requests. */
  readonly handlers: Map<string, Handle>
  listen: (host: string, port: number) => Promise<void>
  /** `http://127.0.0.1:8080`; known once listening. */
  readonly origin: string
  /** Stops listening at once. Cuts connections that remain after `timeoutMs`, and resolves when none is left. */
  close: (timeoutMs: number) => Promise<void>
}

export function createListener(app: Hono, upgrade: Upgrade, settings: ListenerSettings): HttpListener {
  const { handshakeMs, tls } = settings
  const options = {
    headersTimeout: handshakeMs,
    requestTimeout: 2 * handshakeMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: settings.maxHeaderSize,
    keepAliveTimeout: KEEP_ALIVE_MS,
    ServerResponse: LingeringResponse as typeof ServerResponse,
  }
  const handlers = new Map<string, Handle>()
  const ask = getRequestListener(app.fetch, { hostname: 'localhost' })
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const refuse = (code: 'host_malformed' | 'path_malformed') => {
      settings.refused(code)
      tell(response, code, CUTS[code].status, CUTS[code].fix)
    }
    if (!isHost(request.headers.host ?? '')) return refuse('host_malformed')
    request.url = originForm(request.url ?? '')
    const path = pathOf(request)
    const handle = handlers.get(path)
    if (handle === undefined && isWinding(path)) return refuse('path_malformed')
    // Hono builds a URL from both, and refuses a host that is not valid in a URL. None of its routes reads the host.
    if (handle === undefined) request.headers.host = ''
    const answering = handle ?? ask
    answering(request, response).catch(error => fail(error, response, settings))
  }
  const secure = tls && {
    ...tls,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: handshakeMs,
  }
  const take: Upgrade['take'] = (request, socket, head) => {
    try {
      upgrade.take(request, socket, head)
    } catch (error) {
      settings.failed(error as Error)
      socket.destroy()
    }
  }
  const server: Server = serveUpgrades({ ...upgrade, take }, asked =>
    secure
      ? createSecureServer({ ...options, ...secure, ...asked }, answer)
      : createServer({ ...options, ...asked }, answer),
  )
  const sockets = boundConnections(server, settings)
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseClient(error, socket, settings))

  return {
    app,
    handlers,
    async listen(host, port) {
      server.listen(port, host)
      await once(server, 'listening')
      // If the system has no file descriptor or memory for one connection, the others must go on.
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
      // A connection becomes idle, and closable, only after its answer is sent.
      const idle = setInterval(() => server.closeIdleConnections(), 50)
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, timeoutMs)
      await closed
      clearInterval(idle)
      clearTimeout(deadline)
    },
  }
}

function fail(error: Error, response: ServerResponse, { failed }: ListenerSettings): void {
  failed(error)
  if (response.headersSent) response.destroy()
  else tell(response, 'internal', ...REQUEST_REFUSALS.internal)
}

function tell(response: ServerResponse, code: RefusalCode, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: code, message }))
}

/** Answers bytes that are not a request, if the client can still read an answer, and closes. */
function refuseClient({ code = '' }: NodeJS.ErrnoException, socket: Duplex, { refused }: ListenerSettings): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const reason = CLIENT_ERRORS.get(code) ?? 'request_malformed'
  refused(reason)
  // A client cannot read an HTTP error during a TLS handshake, or in the middle of an answer.
  const { _httpMessage: begun } = socket as { _httpMessage?: ServerResponse | null }
  if (!/^(?:HPE|ERR_HTTP)_/.test(code) || begun?.headersSent) return void socket.destroy()
  refuseUpgrade(socket, CUTS[reason].status)
}

const CLIENT_ERRORS = new Map<string, 'header_too_large' | 'handshake_timeout'>([
  ['HPE_HEADER_OVERFLOW', 'header_too_large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'handshake_timeout'],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'handshake_timeout'],
])

/** Answers with a plain HTTP error and its reason, and closes. */
export function refuseUpgrade(socket: Duplex, status: number, reason = ''): void {
  const head = ['Connection: close', `Content-Length: ${Buffer.byteLength(reason)}`]
  if (reason !== '') head.push('Content-Type: text/plain')
  // (RFC 9110, 15.5.22; RFC 6455, 4.2.2)
  if (status === 426) head.push('Upgrade: websocket', 'Sec-WebSocket-Version: 13')
  endWith(socket, `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('\r\n')}\r\n\r\n${reason}`)
}
