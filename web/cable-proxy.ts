/**
 * The cable's WebSocket under the origin of the pages, so that one port, one certificate and a strict CSP suffice.
 *
 *   browser ──/cable──▶ web ──▶ cable
 *
 * When one socket ends, the other ends at once: a page must notice that its cable is gone, and the cable that its page is
 * gone. httpxy does the handshake and the copying; `tie` and `refuse` do what it does not.
 */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createProxyServer } from 'httpxy'

export interface CableProxy {
  /** Whether the upgrade is for the cable. The server must answer any other request as if it offered no upgrade. */
  takes: (request: IncomingMessage) => boolean
  /** Performs the upgrade of a request for which `takes` returned true. Never throws. */
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** Cuts every connection; browsers reconnect. */
  close: () => void
}

/** `to` is the cable, `http://127.0.0.1:8080`; `path` is where both accept WebSockets. */
export function createCableProxy({ to, path = '/cable' }: { to: string; path?: string }): CableProxy {
  const open = new Set<Socket>()
  const upgraded = new WeakSet<Duplex>()
  const proxy = createProxyServer({ target: to, agent: false, upgradeTimeout: 5000 })
  proxy.on('proxyReqWs', (request, _, socket) => {
    request.once('upgrade', (_response, upstream: Socket) => {
      upgraded.add(socket)
      tie(socket, upstream)
    })
  })
  // After the upgrade the stream is the WebSocket's: no HTTP may be written into it.
  proxy.on('error', (_error, _request, socket) => {
    if (socket instanceof Socket && !upgraded.has(socket))
      refuse(socket, '502 Bad Gateway', 'The cable is not answering.')
  })
  return {
    takes: ({ method, url, headers }) =>
      method === 'GET' && url?.split('?')[0] === path && offersWebSocket(headers.upgrade),
    upgrade: (request, socket, head) => {
      if (!(socket instanceof Socket)) return void socket.destroy()
      socket.on('error', () => socket.destroy())
      request.headers.upgrade = 'websocket'
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      delete request.headers['x-forwarded-prefix']
      proxy.ws(request, socket, {}, head).catch(() => socket.destroy())
    },
    close: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

/** Whether the header Upgrade names `websocket`. */
export const offersWebSocket = (upgrade = ''): boolean => /(?:^|,)\s*websocket\s*(?:,|$)/i.test(upgrade)

/** When one socket ends, ends the other after its last data is written. */
function tie(client: Socket, upstream: Socket): void {
  client.once('close', () => upstream.destroy())
  upstream.once('close', () => client.destroySoon())
}

function refuse(socket: Socket, status: string, reason: string): void {
  if (!socket.writable) return
  const head = [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Content-Type: text/plain',
    `Content-Length: ${reason.length}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${reason}`)
}
