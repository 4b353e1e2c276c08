/**
 * The routes of backends and operators, each on its port with its keys: broadcasts, positions, the REST API.
 */
import type { Hono } from 'hono'
import type { Soon } from '../base/soon.ts'
import { RequestRefused } from '../errors.ts'
import { createApi } from '../http/api.ts'
import { createAddressReader } from '../http/client-address.ts'
import type { Ports } from '../http/ports.ts'
import type { RouteSettings } from '../http/routes.ts'
import type { Numbers } from '../http/stats.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Backend } from './backend.ts'
import { createBroadcastHandler, createPositionRoutes } from './http.ts'
import { requestIdOf } from './trace.ts'

export interface BackendRouteSettings {
  readonly broadcastKeys: readonly string[]
  /** `main`: the clients' port. */
  readonly broadcastPort: number | 'main'
  /** `undefined`: no REST API. */
  readonly api: { readonly keys: readonly string[]; readonly port: number | 'main' } | undefined
  /** By their names. */
  readonly settings: {
    readonly broadcast_adapter: readonly string[]
    readonly max_broadcast_size: number
    readonly http_broadcast_path: string
    readonly api_path: string
    readonly trusted_proxies: readonly string[]
  }
}

export interface BackendRouteParts {
  ports: Ports
  backend: Backend
  /** `<offset>/<epoch>` for a page that a backend is about to render; `-` if the cable keeps no history. */
  position: () => Soon<string>
  /** The members of a stream as JSON text; `undefined` if the cable keeps no presence. */
  attendance: (stream: string) => Soon<string | undefined>
  numbers: Numbers
  /** With --dev: makes the routes of debugging, below the path of broadcasts. */
  debug?: ((routing: RouteSettings) => Hono) | undefined
  metrics: Metrics
  log: Log
}

/** URLs for backends and operators; known once the cable listens. */
export interface BackendUrls {
  readonly broadcast: string
  readonly api: string
}

export function addBackendRoutes(config: BackendRouteSettings, parts: BackendRouteParts): BackendUrls {
  const { settings } = config
  const { ports, backend, position, attendance, numbers, debug, metrics, log } = parts
  const addressOf = createAddressReader(settings.trusted_proxies)
  const secured = (kind: 'broadcast' | 'api', path: string, keys: readonly string[]): RouteSettings => ({
    path,
    keys,
    maxSize: settings.max_broadcast_size,
    verified: key => metrics.verified(kind, key),
    refused: ({ code, message }: RequestRefused, asking) => {
      metrics.failed_broadcast_msg_total++
      metrics.refused(code)
      const about = { address: addressOf(asking), request_id: requestIdOf(asking.headers) }
      log.warn({ code, ...about }, `backend refused: ${message}`)
    },
  })
  const backends = ports.serve(config.broadcastPort)
  const broadcast = secured('broadcast', settings.http_broadcast_path, config.broadcastKeys)
  backends.handlers.set(broadcast.path, createBroadcastHandler(broadcast, takesHttp(config) ? backend.publish : refuse))
  backends.app.route('/', createPositionRoutes(broadcast, position))
  if (debug) backends.app.route('/', debug(broadcast))
  const operators = ports.serve(config.api?.port ?? 'main')
  if (config.api !== undefined) {
    const api = secured('api', settings.api_path, config.api.keys)
    operators.app.route('/', createApi(api, { ...backend, attendance, numbers }))
  }
  return {
    get broadcast() {
      return backends.origin + settings.http_broadcast_path
    },
    get api() {
      return operators.origin + settings.api_path
    },
  }
}

/** Whether backends may broadcast by HTTP. */
const takesHttp = ({ settings }: BackendRouteSettings): boolean => settings.broadcast_adapter.includes('http')

function refuse(): never {
  throw new RequestRefused('not_found', 'this cable takes no broadcasts by HTTP: add http to --broadcast_adapter')
}
