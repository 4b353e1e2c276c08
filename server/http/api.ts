/**
 * REST for operators and backends: /api, with a separate key.
 *
 *   POST /api/publish                     as /_broadcast
 *   GET  /api/presence/<stream>/users     members; slashes in names are fine
 *   GET  /api/streams                     subscriptions of each stream
 *   GET  /api/stats                       the numbers of this cable
 *   POST /api/disconnect                  {"identifier": …} or {"sid": …}, and "reconnect"
 *
 * Errors are JSON with a code.
 */
import type { Hono } from 'hono'
import type { Soon } from '../base/soon.ts'
import type { Disconnect, Told } from '../broker.ts'
import { RequestRefused } from '../errors.ts'
import { parseDisconnect } from '../protocol/publication.ts'
import { createRoutes, type RouteSettings } from './routes.ts'
import type { Numbers } from './stats.ts'

export interface ApiParts {
  /** Applies a broadcast's body. */
  publish: (body: string) => Soon<void>
  /** The members of a stream as JSON text; `undefined` where the cable keeps no presence. */
  attendance: (stream: string) => Soon<string | undefined>
  numbers: Pick<Numbers, 'streams' | 'stats'>
  /** Returns how many sessions there were, or how many nodes the broker told. */
  disconnect: (request: Disconnect) => Soon<number | Told>
}

export function createApi(settings: RouteSettings, { publish, attendance, numbers, disconnect }: ApiParts): Hono {
  const { path } = settings
  const { routes, read } = createRoutes(settings)

  routes.post(`${path}/publish`, async c => {
    await publish(await read(c))
    return c.body(null, 201)
  })
  routes.get(`${path}/presence/*`, async c => {
    // Hono decodes a path in part, so we take the stream's name from the raw path, and decode it once.
    const [, name] = /\/presence\/(.+)\/users$/.exec(new URL(c.req.url).pathname) ?? []
    if (name === undefined) throw new RequestRefused('not_found')
    const members = await attendance(decodeName(name))
    if (members === undefined) throw new RequestRefused('presence_unsupported')
    return c.body(members, 200, { 'content-type': 'application/json' })
  })
  routes.get(`${path}/streams`, async c =>
    c.json({ streams: Array.from(await numbers.streams(), ([stream, subscriptions]) => ({ stream, subscriptions })) }),
  )
  routes.get(`${path}/stats`, async c => c.json(await numbers.stats()))
  routes.post(`${path}/disconnect`, async c => {
    const done = await disconnect(parseDisconnect(await read(c)))
    return c.json(typeof done === 'number' ? { disconnected: done } : done)
  })
  routes.all(`${path}/*`, c => {
    throw new RequestRefused(
      ['publish', 'streams', 'stats', 'disconnect'].includes(c.req.path.slice(path.length + 1))
        ? 'method_not_allowed'
        : 'not_found',
    )
  })
  return routes
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch (cause) {
    throw new RequestRefused('publication_malformed', 'the stream name is not percent-encoded UTF-8', { cause })
  }
}
