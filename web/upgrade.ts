/**
 * Upgrades: WebSockets go to the cable. The server ignores every other offer, and serves the request (RFC 9110, 7.8).
 *
 *   /cable   Upgrade: websocket                  the cable's
 *   any      Upgrade: h2c (Java, curl --http2)   served, as if without an offer
 *
 * Node 22.21 and 24.9 have an option that decides about each upgrade. Older versions take the socket of each upgrade out of
 * HTTP, so this file writes the request's head again, without the offer, and hands the socket back.
 */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { CableProxy } from './cable-proxy.ts'

/** Passes `createServer` the option that upgrades need; older versions of Node ignore it. */
export function serveUpgrades(
  { takes, upgrade }: Pick<CableProxy, 'takes' | 'upgrade'>,
  createServer: (options: Pick<ServerOptions, 'shouldUpgradeCallback'>) => Server,
): Server {
  const server = createServer({ shouldUpgradeCallback: takes })
  server.on('upgrade', (request, socket, head) =>
    afterAnswers(socket, () => {
      if (takes(request)) upgrade(request, socket, head)
      else handBack(server, request, socket, head)
    }),
  )
  return server
}

/** Waits for the answers to earlier requests, which Node would lose if it got the socket back. */
function afterAnswers(socket: Duplex, then: () => void): void {
  const { _httpMessage: earlier } = socket as { _httpMessage?: ServerResponse | null }
  if (earlier) earlier.once('close', () => afterAnswers(socket, then))
  else if (!socket.destroyed) then()
}

function handBack(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.unshift(Buffer.concat([Buffer.from(withoutOffer(request), 'latin1'), head]))
  server.emit('connection', socket)
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
