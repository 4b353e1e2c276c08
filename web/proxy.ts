/**
 * One origin for everything: passes requests on to another process, and its answers back unchanged.
 *
 *   /python/…  → the Board in Python; X-Forwarded-Prefix names its mount point
 *   /events    → the cable, both ways unbuffered
 *
 * If that process is down, `unreachable` answers at once.
 */
import type { Context, Handler } from 'hono'
import { proxyFetch } from 'httpxy'
import { forwardedPort, scheme, validHost } from './origin.ts'

export interface ProxyOptions {
  /** `http://127.0.0.1:3001` */
  to: string
  /** The mount point, `/python`; without it the path is passed on unchanged. */
  mount?: string
  /** Sends the body in one piece, with its length: gateways like CGI ignore a body without a length. */
  whole?: boolean
  unreachable: (c: Context) => Response | Promise<Response>
}

/** A handler that passes requests on. Never rejects for a fault of the other process. */
export const proxy =
  ({ to, mount = '', whole = false, unreachable }: ProxyOptions): Handler =>
  async c => {
    const { pathname, search } = new URL(c.req.url)
    const path = pathname.slice(mount.length) || '/'
    const { method, signal } = c.req.raw
    const headers = forwarded(c, mount)
    const body = c.req.raw.body && (whole ? Buffer.from(await c.req.arrayBuffer()) : c.req.raw.body)
    if (body instanceof Buffer) headers.set('content-length', String(body.length))
    try {
      const response = await proxyFetch(
        to,
        `http://proxy${path}${search}`,
        { method, headers, body, signal },
        // Do not keep connections: the first form after a restart of the Board would fail.
        { agent: false },
      )
      if (response.body === null) return response
      const isEvents = response.headers.get('content-type')?.startsWith('text/event-stream')
      return new Response(
        untilBroken(response.body, isEvents ? undefined : `${mount}: the answer ended early`),
        response,
      )
    } catch (error) {
      if (signal.aborted) return new Response(null, { status: 499 })
      if (!isDown(error)) console.error(`${mount || pathname}: ${error instanceof Error ? error.message : error}`)
      return unreachable(c)
    }
  }

/**
 * Ends an event stream that breaks off, and the browser reconnects. Any other answer fails with `reason`: a string and not
 * an Error, because the server prints it unchanged.
 */
function untilBroken(body: ReadableStream<Uint8Array>, reason?: string): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let left = false
  return new ReadableStream({
    async pull(controller) {
      const { done, value, broken } = await reader.read().then(
        read => ({ ...read, broken: false }),
        () => ({ done: true, value: undefined, broken: true }),
      )
      if (left) return
      if (broken && reason !== undefined) controller.error(reason)
      else if (done || value === undefined) controller.close()
      else controller.enqueue(value)
    },
    cancel(reason) {
      left = true
      return reader.cancel(reason)
    },
  })
}

const isDown = (error: unknown): boolean =>
  ['ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']

/** The client's headers without those of its connection, and with the origin of the request. */
function forwarded(c: Context, mount: string): Headers {
  const headers = new Headers(c.req.raw.headers)
  const named = (headers.get('connection') ?? '').split(',').map(name => name.trim())
  for (const name of [...HOP_BY_HOP, 'expect', ...named]) if (/^[\w-]+$/.test(name)) headers.delete(name)
  headers.set('host', new URL(c.req.url).host)
  headers.set('x-forwarded-host', validHost(c))
  headers.set('x-forwarded-proto', scheme(c))
  const port = forwardedPort(c)
  if (port === undefined) headers.delete('x-forwarded-port')
  else headers.set('x-forwarded-port', port)
  // Replace the client's value: it would choose where redirects lead.
  if (mount === '') headers.delete('x-forwarded-prefix')
  else headers.set('x-forwarded-prefix', mount)
  return headers
}
