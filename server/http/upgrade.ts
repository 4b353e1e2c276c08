/**
 * Upgrades: we take a WebSocket on one of our paths. We ignore every other offer, and serve the request (RFC 9110, 7.8).
 *
 *   /cable   Upgrade: websocket, or h2c, websocket       ours
 *   any      Upgrade: h2c (Java, curl --http2)           served, as if without an offer
 *   /health  Upgrade: websocket                          the same
 *
 * Node 22.21 and 24.9 ask us before they upgrade. Older versions take each upgrade's socket out of HTTP, so we write the
 * request's head again, without the offer, and hand the socket back.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { CutCode } from '../errors.ts'
import { pathOf } from './target.ts'

export interface Upgrade {
  /** Where clients connect; empty on ports that are not for clients. */
  readonly paths: readonly string[]
  readonly take: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** Passes `createServer` the options that upgrades need; older versions of Node ignore them. */
export function serveUpgrades<S extends Server>(
  { paths, take }: Upgrade,
  createServer: (options: Pick<ServerOptions, 'shouldUpgradeCallback'>) => S,
): S {
  const isOurs = (request: IncomingMessage) => offersWebSocket(request) && paths.includes(pathOf(request))
  let approved: IncomingMessage | undefined
  const shouldUpgradeCallback = (request: IncomingMessage) => {
    if (!isOurs(request)) return false
    approved = request
    return true
  }
  const server = createServer({ shouldUpgradeCallback })
  server.on('upgrade', (request, socket, head) =>
    afterAnswers(socket, () => {
      if (request !== approved && !isOurs(request)) return handBack(server, request, socket as Socket, head)
      request.headers.upgrade = 'websocket' // (ws wants nothing beside it)
      take(request, socket, head)
    }),
  )
  return server
}

export const offersWebSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && (headers.upgrade === 'websocket' || /(?:^|,)\s*websocket\s*(?:,|$)/i.test(headers.upgrade ?? ''))

/** ws also takes version 8, which was a draft. */
export const isCurrentVersion = ({ headers }: IncomingMessage): boolean => headers['sec-websocket-version'] === '13'

/** Returns why a handshake that ws refused, or an older version's, is malformed. */
export function handshakeFault(request: IncomingMessage): CutCode & `websocket_${string}` {
  if (!isCurrentVersion(request)) return 'websocket_version'
  if (!/^[\w+/]{22}==$/.test(request.headers['sec-websocket-key'] ?? '')) return 'websocket_key'
  return 'websocket_protocol'
}

/**
 * Waits for the answers to earlier requests. Node would lose them if it got the socket back, and a WebSocket would be
 * written among them. An answer that never ends (events) ends with the connection.
 */
function afterAnswers(socket: Duplex, then: () => void): void {
  const { _httpMessage: earlier } = socket as { _httpMessage?: ServerResponse | null }
  if (earlier) earlier.once('close', () => afterAnswers(socket, then))
  else if (!socket.destroyed) then()
}

function handBack(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  socket.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), head]))
  server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket)
}

/** The request's head. Without `upgrade` in Connection, Node treats the Upgrade header like any other. */
function withoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at]!, rawHeaders[at + 1]!]
    head += `${name}: ${/^connection$/i.test(name) ? value.replace(/\bupgrade\b\s*,?/gi, '') : value}\r\n`
  }
  return `${head}\r\n`
}
