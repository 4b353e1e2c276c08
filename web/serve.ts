/** A web handler on a port, by IPv6 and IPv4 where the machine has both. Closing waits, for a limited time, for answers. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { CableProxy } from './cable-proxy.ts'
import { serveUpgrades } from './upgrade.ts'

export interface ServeOptions {
  fetch: (request: Request) => Response | Promise<Response>
  cable: Pick<CableProxy, 'takes' | 'upgrade'>
  /** Every interface if absent. */
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
/** Balancers keep an idle connection for their next request for less than this. */
const KEEP_ALIVE_MS = 75_000

/** Resolves when it listens. Rejects with {@link PortInUse}, or with the error of the system. */
export async function serve({ fetch, cable, host, port }: ServeOptions): Promise<Served> {
  const answerer = answer(fetch)
  const server = serveUpgrades(cable, options =>
    createServer({ ...options, keepAliveTimeout: KEEP_ALIVE_MS }, answerer),
  )
  server.on('clientError', refuse)
  try {
    await listen(server, host || '::', port)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE')
      throw new PortInUse(`port ${port} is in use: stop the program that uses it, or set PORT`, { cause: error })
    // The machine has no IPv6.
    if (host || (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL')) throw error
    await listen(server, '0.0.0.0', port)
  }
  const { port: bound } = server.address() as AddressInfo
  return { url: `http://localhost:${bound}`, port: bound, close: () => close(server) }
}

function answer(fetch: ServeOptions['fetch']) {
  const ask = getRequestListener(fetch, { hostname: 'localhost' })
  return (request: IncomingMessage, response: ServerResponse) => {
    const { host = '' } = request.headers
    if (!HOST.test(host)) return void response.writeHead(400, { connection: 'close' }).end('Host is not a host.\n')
    // The request's URL then has the host `localhost`; the app still reads the original header.
    if (!fitsUrl(host)) request.headers.host = ''
    void ask(request, response)
  }
}

/** Node would close at once, and a client that still writes would see a reset connection in the place of our answer. */
function refuse({ code }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const status = code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
  socket.removeAllListeners('data').resume()
  const deadline = setTimeout(() => socket.destroy(), GRACE_MS)
  socket.once('close', () => clearTimeout(deadline))
}

/** Empty, a name, `1.2.3.4` or `[::1]`, with or without `:port` (RFC 9112, 3.2; RFC 3986, 3.2.2). */
const HOST = /^(?:\[[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i

/** Some legal hosts are invalid in a URL (`a:99999`, `1.2.3.4.5`), and a URL changes others (`127.1`). */
const fitsUrl = (host: string): boolean =>
  URL.canParse(`http://${host}`) && new URL(`http://${host}`).hostname === host.replace(/:\d+$/, '').toLowerCase()

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
    // A connection that is kept alive becomes idle only after its answer is sent.
    const idle = setInterval(() => server.closeIdleConnections(), 50)
    // The server must end event streams: their answers never finish.
    const last = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    server.close(() => {
      clearInterval(idle)
      clearTimeout(last)
      resolve()
    })
  })
