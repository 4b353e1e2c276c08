/**
 * A load balancer as small as it can be: each new connection goes to the next node, as plain TCP.
 *
 *   client ──▶ front ──▶ node 1, then node 2, then node 3, then node 1 …
 *
 * So a client that reconnects changes its node. A POST ends its connection, so that each broadcast comes in by another node.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { reset } from './proxy.ts'

export interface Front {
  readonly port: number
  close: () => Promise<void>
}

/** `ports`: of the nodes, which may change; a connection skips nodes that are down. `port` 0: a free one. */
export async function createFront(ports: readonly number[], port = 0): Promise<Front> {
  const sockets = new Set<Socket>()
  let turns = 0

  const listener = createServer({ allowHalfOpen: true }, client => {
    const from = turns++
    const dial = (tries: number) => {
      if (tries === ports.length) return reset(client)
      const node = connect({ host: '127.0.0.1', port: ports[(from + tries) % ports.length]!, allowHalfOpen: true })
      const isDown = () => dial(tries + 1)
      node.once('error', isDown)
      node.once('connect', () => {
        node.off('error', isDown)
        carry(client, node)
      })
    }
    client.on('error', () => {}) // (carry ends the other side)
    dial(0)
  })

  function carry(client: Socket, node: Socket): void {
    for (const [here, there] of [
      [client, node],
      [node, client],
    ] as const) {
      sockets.add(here)
      here.setNoDelay(true)
      here.on('error', () => reset(there))
      here.on('close', () => {
        sockets.delete(here)
        there.destroySoon()
      })
    }
    if (client.destroyed) return void node.destroy()
    client.pipe(oneRequestEach()).pipe(node)
    node.pipe(client)
  }

  listener.listen(port, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      if (listener.listening) await new Promise(resolve => listener.close(resolve))
    },
  }
}

/** Asks the node to end the connection after a POST. Passes everything else as it is. */
const oneRequestEach = (): Transform =>
  new Transform({
    transform(bytes: Buffer, _, done) {
      const end = bytes.indexOf('\r\n')
      if (bytes.toString('latin1', 0, 6) !== 'POST /' || end === -1) return done(null, bytes)
      done(null, Buffer.concat([bytes.subarray(0, end), Buffer.from('\r\nConnection: close'), bytes.subarray(end)]))
    },
  })
