/**
 * Where backends POST: /_broadcast, and /_broadcast/position.
 *
 *   201              handled          401  no or wrong Bearer key      403  a web page asked, and the cable has no key
 *   422  malformed: {"error": code, "message": fault and place}         413  larger than --max_broadcast_size
 *
 * Every broadcast of a busy application takes the first route, so it reads Node's own request: a Request with its streams
 * costs several times as much as the broadcast.
 */
import type { Hono } from 'hono'
import type { Soon } from '../base/soon.ts'
import { RequestRefused } from '../errors.ts'
import { decodeBody, readBody } from '../http/body.ts'
import type { Handle } from '../http/listener.ts'
import { answerTo, createGate, createRoutes, type RouteSettings, refusalOf } from '../http/routes.ts'
import type { Backend } from './backend.ts'
import { requestIdOf } from './trace.ts'

/** `publish` applies a body, or throws a {@link RequestRefused}. */
export function createBroadcastHandler(settings: RouteSettings, publish: Backend['publish']): Handle {
  const { maxSize, refused } = settings
  const permit = createGate(settings)

  return async (request, response) => {
    try {
      // The reference looks at the method before the key.
      if (request.method !== 'POST') throw new RequestRefused('method_not_allowed')
      permit(request.headers)
      const body = decodeBody(await readBody(request, maxSize))
      const done = publish(body, undefined, requestIdOf(request.headers))
      if (done !== undefined) await done
      response.writeHead(201, NOTHING).end()
    } catch (error) {
      const refusal = refusalOf(error)
      refused(refusal, request)
      const { status, headers, body } = answerTo(refusal)
      response.writeHead(status, headers).end(body)
    }
  }
}

const NOTHING = { 'content-length': 0 }

/** `position`: the position, on every stream, of a page that the backend is about to render; the streams that the request
 *  names do not matter. `-` if the cable keeps no history. */
export function createPositionRoutes(settings: RouteSettings, position: () => Soon<string>): Hono {
  const { routes } = createRoutes(settings)
  routes.get(`${settings.path}/position`, async c => c.json({ position: await position() }))
  return routes
}
