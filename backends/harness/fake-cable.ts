/**
 * A cable that records the Boards' requests; or answers badly, or hangs, or is down.
 *
 * It replaces the real one where a test must know exactly what arrived, and when.
 */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { freePorts } from '../../start/network.ts'
import { reset } from '../../testing/proxy.ts'

export interface Received {
  authorization: string | undefined
  contentType: string | undefined
  body: string
}

export interface FakeCable {
  /** The value of ANYCABLE_HTTP_BROADCAST_URL. */
  url: string
  /** The broadcasts, oldest first; `splice(0)` takes them. */
  received: Received[]
  /** Its behaviour; tests replace these functions, and `reset` puts them back. */
  onPosition: (stream: string | null) => string
  onBroadcast: (stream: string, body: string) => number
  /** The Retry-After of answers other than 201. */
  retryAfter: string | undefined
  /** Answers a request before its body is read; replaces `onPosition` and `onBroadcast`. */
  onHead: ((socket: Socket) => void) | undefined
  hangs: boolean
  reset: () => void
  /** Stops listening. */
  die: () => Promise<void>
  live: () => Promise<void>
}

export async function startFakeCable(): Promise<FakeCable> {
  const open = new Set<Socket>()
  // AnyCable's gem tries again after a reset. If the connection just ends, even before its request, it loses the message.
  const resetAll = () => {
    for (const socket of open) reset(socket)
  }
  const listener: RequestListener = async (request, response) => {
    if (cable.hangs) return
    if (cable.onHead) return cable.onHead(request.socket)
    const url = new URL(request.url!, cable.url)
    if (request.method === 'GET' && url.pathname === '/_broadcast/position') {
      response.setHeader('content-type', 'application/json')
      return void response.end(JSON.stringify({ position: cable.onPosition(url.searchParams.get('stream')) }))
    }
    const { authorization, 'content-type': contentType } = request.headers
    const body = await text(request)
    const status = cable.onBroadcast(JSON.parse(body).stream, body)
    if (status === 201) cable.received.push({ authorization, contentType, body })
    if (status !== 201 && cable.retryAfter !== undefined) response.setHeader('retry-after', cable.retryAfter)
    response.writeHead(status).end()
  }
  const [port] = (await freePorts(1)) as [number]
  const server = createServer(listener).listen(port, '127.0.0.1')
  server.on('connection', socket => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await once(server, 'listening')
  const cable: FakeCable = {
    url: `http://127.0.0.1:${port}/_broadcast`,
    received: [],
    onPosition: () => '7/test',
    onBroadcast: () => 201,
    retryAfter: undefined,
    onHead: undefined,
    hangs: false,
    reset: () => {
      cable.received.length = 0
      cable.onPosition = () => '7/test'
      cable.onBroadcast = () => 201
      cable.retryAfter = undefined
      cable.onHead = undefined
      cable.hangs = false
      resetAll()
    },
    die: async () => {
      const closed = once(server, 'close')
      server.close()
      resetAll()
      await closed
    },
    live: async () => {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
  return cable
}
