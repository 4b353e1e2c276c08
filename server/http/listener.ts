/**
 * One port: a Hono app, and upgrades where they are wanted.
 *
 * A request has 5 s for its headers and 10 s in all, so that whoever dribbles bytes holds nothing.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface Listener {
  readonly app: Hono
  listen: (host: string, port: number) => Promise<void>
  /** `http://127.0.0.1:8080`; known once listening. */
  readonly origin: string
  /** Stops listening at once; resolves when the last connection is gone, which is cut when `timeoutMs` is over. */
  close: (timeoutMs: number) => Promise<void>
}

export function createListener(app: Hono, upgrade: Upgrade): Listener {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 1_000 },
    getRequestListener(app.fetch),
  )
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    socket.setNoDelay(true)
    // An upgraded socket has nobody else to hear its errors until ws takes it.
    socket.on('error', () => {})
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('upgrade', upgrade)

  return {
    app,
    async listen(host, port) {
      server.listen(port, host)
      await once(server, 'listening')
    },
    get origin() {
      const { address, port, family } = server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
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

/** Answers an upgrade with a plain HTTP error. */
export function refuseUpgrade(socket: Duplex, status: '400 Bad Request' | '403 Forbidden' | '404 Not Found'): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
