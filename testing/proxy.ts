/**
 * The network between a page and its server, as bad as a test wants it. It is plain TCP, so that no program notices
 * a difference until something goes wrong.
 *
 *   page ──▶ proxy ──▶ server
 *
 *   pass       both ways
 *   drop       ends open connections; new ones pass
 *   cut        ends open connections, and every new one, until it passes again
 *   freeze     nothing moves, and neither side notices: a kernel acknowledges what is written, and it stays here
 *   halfOpen   the server sees its clients leave; the clients notice nothing, and receive nothing more
 *   delay      both ways, by so many milliseconds
 *   cutAfter   ends the connection whose server sends these words, right after them; once
 *
 * A browser's `setOffline` is no substitute: it stalls an open WebSocket and delivers the backlog afterwards, so that a page
 * without any healing looks healed.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  readonly origin: string
  pass: () => void
  drop: () => void
  cut: () => void
  /** `only`: just the connections that were opened for this path. */
  freeze: (only?: RegExp) => void
  halfOpen: () => void
  delay: (ms: number) => void
  cutAfter: (words: string) => void
  /** How many connections were opened for this path. */
  count: (path: RegExp) => number
  /** How many requests came for this path, over any connection: browsers reuse connections. */
  requests: (path: RegExp) => number
  close: () => Promise<void>
}

interface Link {
  readonly client: Socket
  readonly server: Socket
  path: string
  state: 'passing' | 'frozen' | 'half-open'
}

/** Listens on a free port, and hands on to `port` of this machine: of each connection, if it is a function. */
export async function createProxy(port: number | (() => number)): Promise<TcpProxy> {
  const links = new Set<Link>()
  const paths: string[] = []
  const requested: string[] = []
  let isCut = false
  let frozen: RegExp | undefined
  let delayMs = 0
  let lastWords: string | undefined

  const listener = createServer(client => {
    if (isCut) return void client.resetAndDestroy()
    const server = connect(typeof port === 'number' ? port : port(), '127.0.0.1')
    const link: Link = { client, server, path: '', state: 'passing' }
    links.add(link)
    // Its first bytes say what a connection is for; only then can we freeze it.
    client.once('data', head => {
      link.path = /^\w+ (\S+)/.exec(head.toString('latin1'))?.[1] ?? ''
      paths.push(link.path)
      if (frozen?.test(link.path)) freeze(link)
    })
    client.on('data', bytes => {
      const [, path] = /^(?:GET|POST) (\S+) HTTP/.exec(bytes.toString('latin1')) ?? []
      if (path !== undefined) requested.push(path)
    })
    carry(link, client, link.server)
    carry(link, link.server, client)
  })

  const carry = (link: Link, from: Socket, to: Socket) => {
    from.setNoDelay(true)
    // No byte overtakes another, even if the delay changes meanwhile.
    const onTheWay: Buffer[] = []
    from.on('data', bytes => {
      if (link.state === 'half-open') return
      const at = from === link.server && lastWords !== undefined ? bytes.indexOf(lastWords) : -1
      if (at >= 0) {
        to.write(bytes.subarray(0, at + Buffer.byteLength(lastWords!)))
        lastWords = undefined
        return end(link)
      }
      if (delayMs === 0 && onTheWay.length === 0) return void to.write(bytes)
      onTheWay.push(bytes)
      setTimeout(() => to.write(onTheWay.shift()!), delayMs)
    })
    from.on('error', () => {})
    from.on('close', () => {
      if (link.state === 'passing' || from === link.client) end(link)
    })
  }
  const end = (link: Link) => {
    links.delete(link)
    link.server.destroy()
    if (link.client.readable && link.state === 'passing') link.client.destroySoon()
    else link.client.destroy()
  }
  const drop = () => {
    for (const { client, server } of links) {
      reset(client)
      reset(server)
    }
    links.clear()
  }

  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port: own } = listener.address() as AddressInfo
  return {
    port: own,
    origin: `http://localhost:${own}`,
    pass: () => {
      isCut = false
      frozen = undefined
      delayMs = 0
      for (const link of links) thaw(link, end)
    },
    drop,
    cut: () => {
      isCut = true
      drop()
    },
    freeze: (only = /^/) => {
      frozen = only
      for (const link of links) if (only.test(link.path)) freeze(link)
    },
    halfOpen: () => {
      for (const link of links) {
        link.state = 'half-open'
        link.server.destroy()
      }
    },
    delay: ms => {
      delayMs = ms
    },
    cutAfter: words => {
      lastWords = words
    },
    requests: path => requested.filter(each => path.test(each)).length,
    count: path => paths.filter(each => path.test(each)).length,
    close: async () => {
      drop()
      listener.close()
      await once(listener, 'close')
    },
  }
}

/** Ends a connection with a reset. Node never closes the handle of a socket that is reset after its end, and would not exit. */
export function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function freeze(link: Link): void {
  if (link.state !== 'passing') return
  link.state = 'frozen'
  link.client.pause()
  link.server.pause()
}

function thaw(link: Link, end: (link: Link) => void): void {
  if (link.state !== 'frozen') return
  link.state = 'passing'
  if (link.client.destroyed || link.server.destroyed) return end(link)
  link.client.resume()
  link.server.resume()
}
