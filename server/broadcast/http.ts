/**
 * Where backends POST: /_broadcast, and /_broadcast/position.
 *
 *   201              handled          401  no or wrong Bearer key      403  a web page tried, and there is no key
 *   422  malformed: {"error": code, "message": what and where}         413  larger than --max_broadcast_size
 *
 * All that a busy application says comes in by the first, so it is read from Node's own request: a Request with its
 * streams costs several times what the broadcast does.
 */
import type { Hono } from 'hono'
import type { Soon } from '../base/soon.ts'
import { RequestRefused } from '../errors.ts'
import { decodeBody, readBody } from '../http/body.ts'
import type { Handle } from '../http/listener.ts'
import { answerTo, createGate, createRoutes, type RouteSettings } from '../http/routes.ts'

/** `publish` applies a body, or throws a {@link RequestRefused}. */
export function createBroadcastHandler(settings: RouteSettings, publish: (body: string) => Soon<void>): Handle {
  const { maxSize, refused } = settings
  const permit = createGate(settings)

  return async (request, response) => {
    try {
      // The reference looks at the method before the key.
      if (request.method !== 'POST') throw new RequestRefused('method_not_allowed')
      permit(request.headers)
      await publish(decodeBody(await readBody(request, maxSize)))
      response.writeHead(201, NOTHING).end()
    } catch (error) {
      if (!(error instanceof RequestRefused)) throw error
      refused(error)
      const { status, headers, body } = answerTo(error)
      response.writeHead(status, headers).end(body)
    }
  }
}

const NOTHING = { 'content-length': 0 }

/** `position`: where a page stands that is about to be made, on every stream: requests name as many as they like, or none.
 *  `-` where nothing is remembered. */
export function createPositionRoutes(settings: RouteSettings, position: () => Soon<string>): Hono {
  const { routes } = createRoutes(settings)
  routes.get(`${settings.path}/position`, async c => c.json({ position: await position() }))
  return routes
}
