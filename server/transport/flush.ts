/**
 * One system call per socket and turn of the event loop, however many frames it is sent in it.
 */
import type { Duplex } from 'node:stream'

/** To be called before a write. */
export type Flush = (socket: Duplex) => void

/** Holds back what is written to a socket until this turn of the event loop is over: one system call, not many. */
export function createFlush(): Flush {
  const corked = new Set<Duplex>()
  const uncork = () => {
    for (const socket of corked) socket.uncork()
    corked.clear()
  }
  return socket => {
    if (corked.has(socket)) return
    if (corked.size === 0) setImmediate(uncork)
    corked.add(socket)
    socket.cork()
  }
}
