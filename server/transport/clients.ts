/**
 * The clients' side of the cable: their port, WebSockets, server-sent events, and the routes beside them.
 */
import type { ReportFailure } from '../base/failure.ts'
import { type ClosedCode, type CutCode, describeCut } from '../errors.ts'
import { addClientRoutes, type ClientRouteParts, type ClientRouteSettings } from '../http/client-routes.ts'
import { type ClientScriptParts, createClientScripts } from '../http/client-scripts.ts'
import type { HttpListener, Tls } from '../http/listener.ts'
import { createPorts, type Ports } from '../http/ports.ts'
import { createUpgradePolicy } from '../http/upgrade-policy.ts'
import type { Turn } from '../hub/turn.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Admission } from '../session/admission.ts'
import { createEventHandler, type EventSettings } from './events.ts'
import { type ClientSettings, createWebSockets, type WebSockets, webSocketSettings } from './websocket.ts'

export interface ClientsSettings extends EventSettings {
  /** By their names. */
  readonly settings: EventSettings['settings'] &
    ClientSettings &
    ClientRouteSettings & {
      readonly port: number
      readonly trusted_proxies: readonly string[]
      readonly sse: boolean
      readonly sse_path: string
      readonly client_js: string
      readonly handshake_timeout: number
      readonly max_header_size: number
      readonly max_unauthenticated: number
    }
  readonly tls: Tls | undefined
}

export interface ClientsParts {
  admission: Admission
  /** `count`: the connected sessions. */
  sessions: { readonly count: number }
  broker: ClientRouteParts['broker']
  /** Builds the pages' scripts. */
  bundle: ClientScriptParts['build']
  /** Why the cable refuses new clients now. */
  whyClosed: () => ClosedCode | undefined
  waysIn: ClientRouteParts['waysIn']
  metrics: Metrics
  turn: Turn
  failed: ReportFailure
  log: Log
}

export interface Clients {
  readonly ports: Ports
  /** The clients' port. */
  readonly listener: HttpListener
  readonly webSockets: WebSockets
}

export function createClients(config: ClientsSettings, parts: ClientsParts): Clients {
  const { settings, tls } = config
  const { admission, sessions, broker, bundle, whyClosed, waysIn, metrics, turn, failed, log } = parts
  const { refused } = metrics
  const cut = (code: CutCode) => {
    refused(code)
    log.debug({ code }, describeCut(code))
  }
  const sent = (bytes: number, frames: number) => {
    metrics.server_msg_total += frames
    metrics.data_sent_total += bytes
  }
  const upgrades = createUpgradePolicy({
    allowedOrigins: settings.allowed_origins,
    proxies: settings.trusted_proxies,
    open: (request, socket, head) => webSockets.open(request, socket, head),
    ...{ whyClosed, refused, log },
  })
  const webSockets = createWebSockets(
    {
      ...webSocketSettings(settings),
      received: bytes => {
        metrics.data_rcvd_total += bytes
      },
      delayed: () => {
        metrics.commands_delayed_total++
      },
      malformed: upgrades.refuse,
      ...{ turn, refused: cut, sent, failed },
    },
    admission.accept,
  )
  const ports = createPorts(
    { paths: settings.path, take: upgrades.take },
    {
      handshakeMs: settings.handshake_timeout * 1000,
      maxHeaderSize: settings.max_header_size,
      isCrowded: connections => connections > settings.max_unauthenticated,
      sessions: () => sessions.count,
      ...{ tls, refused: cut, log },
    },
  )
  const listener = ports.serve(settings.port)
  addClientRoutes(listener.app, settings, { whyClosed, broker, waysIn })
  if (settings.client_js === 'on') listener.app.route('/', createClientScripts(settings.path, { build: bundle, log }))
  if (settings.sse)
    listener.handlers.set(settings.sse_path, createEventHandler(config, { admission, metrics, turn, sent, whyClosed }))
  return { ports, listener, webSockets }
}
