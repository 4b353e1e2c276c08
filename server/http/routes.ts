/**
 * What the routes of backends have in common: who may use them, how large a body may be, and errors as JSON with a code.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { bearerKeys } from '../auth/keys.ts'
import { FAILURES, PublicationRefused } from '../errors.ts'

export interface Routes {
  routes: Hono
  /** Refuses bodies that are too large, whether they say their length or not. */
  limited: MiddlewareHandler
}

export interface RouteSettings {
  path: string
  /** None: no authorization. */
  keys: readonly string[]
  /** Counts what each key let in. */
  verified: (key: number) => void
  /** Bytes. */
  maxSize: number
  refused: (error: PublicationRefused) => void
}

/** Routes below `path`, for who has the key. */
export function createRoutes(settings: RouteSettings): Routes {
  const { path, maxSize, refused } = settings
  const permit = createGate(settings)
  const routes = new Hono()
  routes.use(`${path}/*`, async (c, next) => {
    permit(c.req.header())
    await next()
  })
  routes.onError((error, c) => {
    if (!(error instanceof PublicationRefused)) throw error
    refused(error)
    const { status, headers, body } = answerTo(error)
    return c.body(body, status, headers)
  })
  const onError = () => {
    throw new PublicationRefused('too_large')
  }
  return { routes, limited: bodyLimit({ maxSize, onError }) }
}

/** What a refusal says: JSON with a code. */
export function answerTo({ code, message }: PublicationRefused) {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  // What is left of a body that is too large is not read, so the connection is of no use to anybody.
  if (code === 'too_large') headers.connection = 'close'
  return { status: FAILURES[code][0], headers, body: JSON.stringify({ error: code, message }) }
}

type Credentials = Pick<IncomingHttpHeaders, 'authorization' | 'origin' | 'sec-fetch-site'>

/** What lets a request in, by its headers, or throws {@link PublicationRefused}. */
export function createGate({ keys, verified }: RouteSettings): (headers: Credentials) => void {
  const keyOf = bearerKeys(keys)
  return ({ authorization, origin, 'sec-fetch-site': site }) => {
    if (keys.length > 0) {
      const key = keyOf(authorization)
      if (key < 0) throw new PublicationRefused('unauthorized')
      verified(key)
    } else if (origin !== undefined || site === 'cross-site') {
      // Without a key whoever reaches the port may use it, and a web page that a developer visits reaches localhost.
      throw new PublicationRefused('cross_site')
    }
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** A body's text. Throws {@link PublicationRefused} when it is not UTF-8. */
export function decodeBody(bytes: Uint8Array | ArrayBuffer): string {
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw new PublicationRefused('publication_malformed', 'the body is not UTF-8', { cause })
  }
}
