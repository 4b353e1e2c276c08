/** A web handler on a port: IPv6 and IPv4 where both are, and an end that waits for answers on their way but not for ever. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { CableProxy } from './cable-proxy.ts'

export interface ServeOptions {
  fetch: (request: Request) => Response | Promise<Response>
  upgrade: CableProxy['upgrade']
  /** None: every interface. */
  host?: string | undefined
  port: number
}

export interface Served {
  url: string
  port: number
  close: () => Promise<void>
}

export class PortInUse extends Error {
  override readonly name = 'PortInUse'
}

const GRACE_MS = 2000

/** Resolves when it listens. Rejects with {@link PortInUse}, or with what the system says. */
export async function serve({ fetch, upgrade, host, port }: ServeOptions): Promise<Served> {
  const server = createServer(getRequestListener(fetch))
  server.on('upgrade', upgrade)
  try {
    await listen(server, host || '::', port)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new PortInUse(`port ${port} is in use: stop what uses it, or set PORT`, { cause: error })
    // A machine without IPv6.
    if (host || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    await listen(server, '0.0.0.0', port)
  }
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://localhost:${bound}`, port: bound, close: () => close(server) }
}

const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })

const close = (server: Server): Promise<void> =>
  new Promise(resolve => {
    // A connection that is kept alive becomes idle only when its answer is out.
    const idle = setInterval(() => server.closeIdleConnections(), 50)
    // Event streams never end by themselves.
    const last = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    server.close(() => {
      clearInterval(idle)
      clearTimeout(last)
      resolve()
    })
  })
