/**
 * Where backends POST: /_broadcast, and /_broadcast/position.
 *
 *   201              handled          401  no or wrong Bearer key      403  a web page tried, and there is no key
 *   422  malformed: {"error": code, "message": what and where}         413  larger than --max_broadcast_size
 */
import type { Hono } from 'hono'
import { PublicationRefused } from '../errors.ts'
import { createRoutes, type RouteSettings, readText } from './routes.ts'

export interface BroadcastParts {
  /** Applies a broadcast's body, or throws a {@link PublicationRefused}. */
  publish: (body: string) => void
  /** Where a page stands that is about to be made; `-` where nothing is remembered. */
  position: () => string
}

export function createBroadcastRoutes(settings: RouteSettings, { publish, position }: BroadcastParts): Hono {
  const { path } = settings
  const { routes, limited } = createRoutes(settings, c => {
    // The reference looks at the method before the key.
    if (c.req.path === path && c.req.method !== 'POST') throw new PublicationRefused('method_not_allowed')
  })
  routes.post(path, limited, async c => {
    publish(await readText(c.req.raw))
    return c.body(null, 201)
  })
  routes.get(`${path}/position`, c => {
    if (!c.req.query('stream')) throw new PublicationRefused('stream_missing')
    return c.json({ position: position() })
  })
  return routes
}
