/**
 * Common to all routes for backends: the key, the largest body, and errors as JSON with a code.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bearerKeys } from '../auth/keys.ts'
import { BrokerUnavailable } from '../broker.ts'
import { KEY_MISMATCH, REQUEST_REFUSALS, RequestRefused } from '../errors.ts'
import { decodeBody, readBody } from './body.ts'
import type { Asking } from './client-address.ts'

export interface Routes {
  routes: Hono
  /** Returns a body's text. Rejects with {@link RequestRefused} if it is too large or not UTF-8. */
  read: (c: Context) => Promise<string>
}

export interface RouteSettings {
  path: string
  /** None: no authorization. */
  keys: readonly string[]
  /** Counts a request that this key let in. */
  verified: (key: number) => void
  /** Bytes. */
  maxSize: number
  refused: (error: RequestRefused, asking: Asking) => void
}

/** Routes below `path` that require one of `keys`. */
export function createRoutes(settings: RouteSettings): Routes {
  const { path, maxSize, refused } = settings
  const permit = createGate(settings)
  const routes = new Hono()
  routes.use(`${path}/*`, async (c, next) => {
    permit(c.req.header())
    await next()
  })
  routes.onError((error, c) => {
    const refusal = refusalOf(error)
    refused(refusal, (c.env as HttpBindings).incoming)
    const { status, headers, body } = answerTo(refusal)
    return c.body(body, status, headers)
  })
  // (Not c.req.text(): a web stream would keep in memory the bytes that it has read of a refused body.)
  const read = async ({ env }: Context<{ Bindings: HttpBindings }>) => decodeBody(await readBody(env.incoming, maxSize))
  return { routes, read }
}

/** Returns the error as a refusal. Throws a bug again. */
export function refusalOf(error: unknown): RequestRefused {
  if (error instanceof RequestRefused) return error
  if (!(error instanceof BrokerUnavailable)) throw error
  return new RequestRefused('broker_unavailable', 'the broker is away: try again', { cause: error })
}

/** Returns the answer to a refusal: JSON with a code. */
export function answerTo({ code, message }: RequestRefused) {
  const body = JSON.stringify({ error: code, message })
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  // A body that is too large may go on after we stop reading, so the connection cannot be used again.
  if (code === 'too_large') headers.connection = 'close'
  if (code === 'broker_unavailable') headers['retry-after'] = '1'
  return { status: REQUEST_REFUSALS[code][0], headers, body }
}

type Credentials = Pick<IncomingHttpHeaders, 'authorization' | 'origin' | 'sec-fetch-site'>

/** Returns a function that checks the headers of a request. It throws {@link RequestRefused}. */
export function createGate({ keys, verified }: RouteSettings): (headers: Credentials) => void {
  const keyOf = bearerKeys(keys)
  return ({ authorization, origin, 'sec-fetch-site': site }) => {
    if (keys.length > 0) {
      const key = keyOf(authorization)
      if (key < 0) throw new RequestRefused('unauthorized', hasKey(authorization) ? KEY_MISMATCH : undefined)
      verified(key)
    } else if (origin !== undefined || site === 'cross-site') {
      // Without a key any program that reaches the port may use it, and a web page in a developer's browser reaches localhost.
      throw new RequestRefused('cross_site')
    }
  }
}

const hasKey = (authorization: string | undefined): boolean => /^Bearer \S/.test(authorization ?? '')
