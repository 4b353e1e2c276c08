/**
 * Routes on the clients' port beside WebSockets and events: health, readiness.
 */
import type { Hono } from 'hono'
import type { ClosedCode } from '../errors.ts'

/** Settings, by their names. */
export interface ClientRouteSettings {
  readonly path: readonly string[]
  readonly 'health-path': string
  readonly 'ready-path': string
}

export interface ClientRouteParts {
  whyClosed: () => ClosedCode | undefined
  broker: { readonly well: boolean }
  /** The conditions of the ways in for broadcasts that are not as they should be. */
  waysIn: () => readonly Condition[]
}

/** Something that is not as it should be. */
export interface Condition {
  readonly says: string
  /** Whether the cable can do without it, so that clients may come. */
  readonly isReady: boolean
}

export function addClientRoutes(app: Hono, settings: ClientRouteSettings, parts: ClientRouteParts): void {
  app.all(settings['health-path'], c => c.text('ok'))
  app.all(settings['ready-path'], c => {
    if (parts.whyClosed() === 'draining') return c.text('draining', 503)
    if (!parts.broker.well) return c.text('the broker is away', 503)
    const conditions = parts.waysIn()
    if (conditions.length === 0) return c.text('ready')
    const isReady = conditions.every(({ isReady }) => isReady)
    return c.text(
      [...(isReady ? ['ready'] : []), ...conditions.map(({ says }) => says)].join('; '),
      isReady ? 200 : 503,
    )
  })
  for (const path of settings.path) app.all(path, c => c.text('expected a WebSocket', 400))
}
