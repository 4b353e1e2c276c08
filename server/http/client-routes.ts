/**
 * Routes on the clients' port beside WebSockets and events: health, readiness, metrics.
 */
import type { Hono } from 'hono'

/** Settings, by their names. */
export interface ClientRouteSettings {
  readonly path: readonly string[]
  readonly 'health-path': string
  readonly 'ready-path': string
  readonly metrics_http: string
}

export interface ClientRouteParts {
  isDraining: () => boolean
  broker: { readonly well: boolean }
  /** Returns the text for Prometheus. */
  metrics: () => Promise<string>
}

export function addClientRoutes(app: Hono, settings: ClientRouteSettings, parts: ClientRouteParts): void {
  app.all(settings['health-path'], c => c.text('ok'))
  app.all(settings['ready-path'], c => {
    if (parts.isDraining()) return c.text('draining', 503)
    return parts.broker.well ? c.text('ready') : c.text('the broker is away', 503)
  })
  for (const path of settings.path) app.all(path, c => c.text('expected a WebSocket', 400))
  if (settings.metrics_http !== '') app.get(settings.metrics_http, async c => c.text(await parts.metrics()))
}
