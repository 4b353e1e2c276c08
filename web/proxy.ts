/**
 * One origin for everything: requests that belong to another process go there, and come back as they are.
 *
 *   /python/…  → the Board in Python, which learns its mount point from X-Forwarded-Prefix
 *   /events    → the cable, both ways unbuffered
 *
 * A process that is down is answered for at once; `unreachable` says with what.
 */
import type { Context, Handler } from 'hono'
import { proxyFetch } from 'httpxy'
import { forwardedPort, scheme, validHost } from './origin.ts'

export interface ProxyOptions {
  /** `http://127.0.0.1:3001` */
  to: string
  /** Where it is mounted here, `/python`; none: the path goes through as it is. */
  mount?: string
  /** Sends the body in one piece, with its length: CGI's heirs take a body without one for none. */
  whole?: boolean
  unreachable: (c: Context) => Response | Promise<Response>
}

/** A handler that passes requests on. Never rejects because of the other side. */
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
        // No kept connections: a board that restarts would fail the first form after it.
        { agent: false },
      )
      if (response.body === null) return response
      const isEvents = response.headers.get('content-type')?.startsWith('text/event-stream')
      return new Response(untilBroken(response.body, isEvents ? undefined : `${mount}: the answer broke off`), response)
    } catch (error) {
      if (signal.aborted) return new Response(null, { status: 499 })
      if (!isDown(error)) console.error(`${mount || pathname}: ${error instanceof Error ? error.message : error}`)
      return unreachable(c)
    }
  }

/**
 * If a stream of events breaks off we end it, and the browser reconnects. Any other answer fails with `reason`, a string
 * and not an Error, because our server prints it unchanged.
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

/** What the other side is told: the client's headers, less those of this one connection, and where it all came from. */
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
  // Never the client's own: it would be a place of its choosing in our redirects.
  if (mount === '') headers.delete('x-forwarded-prefix')
  else headers.set('x-forwarded-prefix', mount)
  return headers
}
