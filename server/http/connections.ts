/**
 * The connections of a port: bounded before a byte is read, so that a client cannot block the port by opening sockets.
 *
 * A balancer keeps many connections open. When there are too many, the connection that has waited longest for its next
 * request gives way to a new one.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface ConnectionBounds {
  /** Whether one more connection is one too many. */
  crowded: (connections: number) => boolean
  refused: (code: 'connections_limit' | 'connection_idle') => void
}

/** Returns the open connections: with TLS, the TCP sockets below it. */
export function boundConnections(server: Server, { crowded, refused }: ConnectionBounds): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  /** Requests that wait for their answer, for each connection that has had one. */
  const asked = new Map<Socket, number>()
  /** Connections without such a request; the one that has waited longest is first. */
  const idle = new Set<Socket>()

  server.on('connection', (socket: Socket) => {
    if (sockets.has(socket)) return // (an upgrade that was not for us)
    // Between Node's HTTP and ws nothing else listens to a socket's errors.
    socket.on('error', ignore)
    if (crowded(sockets.size + 1) && !giveWay()) {
      refused('connections_limit')
      socket.destroy()
      return
    }
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', forget)
  })
  server.on('request', ({ socket }, response) => {
    const others = asked.get(socket)
    if (others === undefined) socket.on('close', forget)
    asked.set(socket, (others ?? 0) + 1)
    idle.delete(socket)
    response.on('close', rest)
  })
  server.on('upgrade', (_, socket) => {
    asked.delete(socket as Socket)
    idle.delete(socket as Socket)
  })
  return sockets

  function giveWay(): boolean {
    for (const oldest of idle) {
      refused('connection_idle')
      idle.delete(oldest)
      oldest.destroy()
      return true
    }
    return false
  }

  function rest(this: ServerResponse): void {
    const { socket } = this.req
    const waiting = asked.get(socket)
    if (waiting === undefined || socket.destroyed) return // (it may be about to be a WebSocket)
    asked.set(socket, waiting - 1)
    if (waiting === 1) idle.add(socket)
  }

  function forget(this: Socket): void {
    sockets.delete(this)
    asked.delete(this)
    idle.delete(this)
  }
}

const ignore = () => {}
