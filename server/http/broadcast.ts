/**
 * Where backends POST: /_broadcast, and /_broadcast/position.
 *
 *   201              handled          401  no or wrong Bearer key      403  a web page tried, and there is no key
 *   422  malformed: {"error": code, "message": what and where}         413  larger than --max_broadcast_size
 *
 * Without a key anyone who reaches the port may broadcast, and a web page that a developer visits reaches localhost. So
 * without a key a request that comes from a page (Origin, Sec-Fetch-Site) is refused.
 */
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { bearerMatches } from '../auth/keys.ts'
import { FAILURES, PublicationRefused } from '../errors.ts'
import { parseRequest, type Request } from '../protocol/publication.ts'

export interface BroadcastSettings {
  path: string
  /** Empty: no authorization. */
  key: string
  /** Bytes. */
  maxSize: number
}

export interface BroadcastParts {
  /** Applies a request that was found valid. */
  apply: (request: Request) => void
  refused: (error: PublicationRefused) => void
}

export function createBroadcastRoutes(
  { path, key, maxSize }: BroadcastSettings,
  { apply, refused }: BroadcastParts,
): Hono {
  const routes = new Hono()

  routes.use(`${path}/*`, async (c, next) => {
    // The reference looks at the method before the key.
    if (c.req.path === path && c.req.method !== 'POST') throw new PublicationRefused('method_not_allowed')
    if (key === '' && (c.req.header('origin') !== undefined || c.req.header('sec-fetch-site') === 'cross-site')) {
      throw new PublicationRefused('cross_site')
    }
    if (key !== '' && !bearerMatches(c.req.header('authorization'), key)) throw new PublicationRefused('unauthorized')
    await next()
  })

  routes.post(
    path,
    bodyLimit({
      maxSize,
      onError: () => {
        throw new PublicationRefused('too_large')
      },
    }),
    async c => {
      apply(parseRequest(await readText(c.req.raw)))
      return c.body(null, 201)
    },
  )

  // No history yet: a position is unknown, which every client of this route must be able to bear.
  routes.get(`${path}/position`, c => {
    if (!c.req.query('stream')) throw new PublicationRefused('stream_missing')
    return c.json({ position: '-' })
  })

  routes.onError((error, c) => {
    if (!(error instanceof PublicationRefused)) throw error
    refused(error)
    return c.json({ error: error.code, message: error.message }, FAILURES[error.code][0])
  })
  return routes
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

async function readText(request: globalThis.Request): Promise<string> {
  const bytes = await request.arrayBuffer()
  try {
    return UTF8.decode(bytes)
  } catch (cause) {
    throw new PublicationRefused('publication_malformed', 'the body is not UTF-8', { cause })
  }
}
