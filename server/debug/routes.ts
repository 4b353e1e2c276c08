/**
 * Under --dev, below the path of broadcasts and with their key:
 *
 *   GET  /_broadcast/debug    the state of the cable: see live.ts
 *   POST /_broadcast/debug    decodes the body: see decode.ts
 *
 * Answers are JSON. A cable loads the code behind a route with the first request.
 */
import type { Hono } from 'hono'
import { RequestRefused } from '../errors.ts'
import { createRoutes, type RouteSettings } from '../http/routes.ts'
import type { Context } from './context.ts'
import type { LiveParts } from './live.ts'

export interface DebugParts extends LiveParts {
  readonly settings: Context['settings']
}

export function createDebugRoutes(routing: RouteSettings, { settings, ...parts }: DebugParts): Hono {
  const { recent, position, wall } = parts
  const { routes, read } = createRoutes(routing)
  // Without a key a website could let its name resolve to this machine, and its pages could then read the answers.
  if (routing.keys.length === 0)
    routes.use(`${routing.path}/debug`, async (c, next) => {
      if (!isNearby(c.req.header('host'))) throw new RequestRefused('cross_site', NOT_NEARBY)
      await next()
    })
  const messages: Context['messages'] = (stream, after) =>
    (recent.messages.get(stream) ?? [])
      .filter(({ offset }) => after === undefined || after.epoch !== position()?.epoch || offset > after.offset)
      .map(({ message }) => message)

  routes.get(`${routing.path}/debug`, async c => {
    const { liveOf } = await import('./live.ts')
    return c.json(liveOf(parts))
  })
  routes.post(`${routing.path}/debug`, async c => {
    const { decode } = await import('./decode.ts')
    return c.json(decode(await read(c), { settings, now: wall() / 1000, position: position(), messages }))
  })
  return routes
}

/** Whether the Host is an address, or a name that no public DNS has. */
function isNearby(host = 'localhost'): boolean {
  const { hostname } = URL.parse(`http://${host}`) ?? {}
  return hostname !== undefined && NEARBY.test(hostname)
}

const NEARBY = /^(?:\[[\da-f:]+\]|[\d.]+|[\w-]+|.+\.(?:localhost|local|test|internal))$/
const NOT_NEARBY =
  'without a key this answers only to localhost or an IP address, because a web page may ask under its own name'
