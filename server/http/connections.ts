/**
 * The connections of a port: we bound them before we read a byte, so that a client cannot block the port by opening sockets.
 *
 * A balancer keeps many idle connections open. When there are too many, we close the one that has been idle longest, to
 * make room for a new one.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { CutCode } from '../errors.ts'

export interface ConnectionBounds {
  /** Whether this many connections are too many. */
  isCrowded: (connections: number) => boolean
  refused: (code: CutCode) => void
}

/** Returns the live set of open connections; with TLS these are the TCP sockets. */
export function boundConnections(server: Server, { isCrowded, refused }: ConnectionBounds): ReadonlySet<Socket> {
  const sockets = new Set<Socket>()
  /** How many requests of a connection wait for their answer; only connections that have sent a request. */
  const pending = new Map<Socket, number>()
  /** Connections without a pending request, the longest idle first. */
  const idle = new Set<Socket>()

  server.on('connection', (socket: Socket) => {
    if (sockets.has(socket)) return // (upgrade.ts hands a socket back after it ignored an upgrade)
    // While a socket moves from Node's HTTP to ws, this is its only listener for errors.
    socket.on('error', ignore)
    if (isCrowded(sockets.size + 1) && !giveWay()) {
      refused('connections_limit')
      socket.destroy()
      return
    }
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', forget)
  })
  server.on('request', ({ socket }, response) => {
    const others = pending.get(socket)
    if (others === undefined) socket.on('close', forget)
    pending.set(socket, (others ?? 0) + 1)
    idle.delete(socket)
    response.on('close', becomeIdle)
  })
  server.on('upgrade', (_, socket) => {
    pending.delete(socket as Socket)
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

  function becomeIdle(this: ServerResponse): void {
    const { socket } = this.req
    const waiting = pending.get(socket)
    if (waiting === undefined || socket.destroyed) return // (it may be about to be a WebSocket)
    pending.set(socket, waiting - 1)
    if (waiting === 1) idle.add(socket)
  }

  function forget(this: Socket): void {
    sockets.delete(this)
    pending.delete(this)
    idle.delete(this)
  }
}

const ignore = () => {}
