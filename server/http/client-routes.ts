/**
 * Routes on the clients' port beside WebSockets and events: health, readiness.
 */
import type { Hono } from 'hono'

/** Settings, by their names. */
export interface ClientRouteSettings {
  readonly path: readonly string[]
  readonly 'health-path': string
  readonly 'ready-path': string
}

export interface ClientRouteParts {
  isDraining: () => boolean
  broker: { readonly well: boolean }
}

export function addClientRoutes(app: Hono, settings: ClientRouteSettings, parts: ClientRouteParts): void {
  app.all(settings['health-path'], c => c.text('ok'))
  app.all(settings['ready-path'], c => {
    if (parts.isDraining()) return c.text('draining', 503)
    return parts.broker.well ? c.text('ready') : c.text('the broker is away', 503)
  })
  for (const path of settings.path) app.all(path, c => c.text('expected a WebSocket', 400))
}
