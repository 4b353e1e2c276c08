/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── broadcast ◀── backend
 */
import { Hono } from 'hono'
import { createAdmission } from './admission.ts'
import { createChannels } from './channels.ts'
import type { Config } from './config.ts'
import { FAILURES } from './errors.ts'
import { createBroadcastRoutes } from './http/broadcast.ts'
import { createListener, refuseUpgrade, type Upgrade } from './http/listener.ts'
import { Hub } from './hub.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { originAllowed } from './protocol/negotiate.ts'
import type { Request } from './protocol/publication.ts'
import { Sessions } from './sessions.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createWebSockets } from './transport/websocket.ts'

export interface Cable {
  /** Resolves when every port is bound; rejects when one is not to be had. */
  listen: () => Promise<void>
  /** Tells every client to come back, and resolves when all are gone or --shutdown_timeout is over. */
  close: () => Promise<void>
  /** Where clients connect and where backends POST; known once listening. */
  readonly url: { readonly cable: string; readonly broadcast: string }
}

export function createCable(config: Config, { log }: { log: Log }): Cable {
  const { settings, broadcastPort } = config
  const hub = new Hub()
  const sessions = new Sessions()
  const heartbeat = new Heartbeat(settings.ping_interval * 1000)
  const metrics = createMetrics({
    clients_num: ['Connected sessions.', () => sessions.count],
    clients_uniq_num: ['Distinct identities among them.', () => sessions.identities],
    broadcast_streams_num: ['Streams that have a listener.', () => hub.size],
  })

  const accept = createAdmission(config, { resolve: createChannels(config), hub, sessions, heartbeat, metrics, log })
  const openWebSocket = createWebSockets(
    {
      maxMessageSize: settings.max_message_size,
      maxPendingSize: settings.ws_max_pending_size,
      sent: bytes => {
        metrics.server_msg_total++
        metrics.data_sent_total += bytes
      },
      received: bytes => {
        metrics.data_rcvd_total += bytes
      },
    },
    accept,
  )
  const upgrade: Upgrade = (request, socket, head) => {
    const path = (request.url ?? '').split('?', 1)[0]!
    if (!settings.path.includes(path)) return refuseUpgrade(socket, '404 Not Found')
    const { origin } = request.headers
    if (originAllowed(origin, settings.allowed_origins)) return openWebSocket(request, socket, head)
    metrics.refused('origin_not_allowed')
    log.warn({ code: 'origin_not_allowed', origin }, `origin refused: add its host to --allowed_origins`)
    refuseUpgrade(socket, '403 Forbidden')
  }

  const apply = (request: Request): void => {
    metrics.publications_total++
    if ('disconnect' in request) {
      metrics.remote_commands_total++
      const { identity, reconnect } = request.disconnect
      sessions.disconnect(identity, 'remote', reconnect)
      return
    }
    for (const publication of request.publications) {
      metrics.broadcast_msg_total++
      hub.broadcast(publication)
    }
  }
  const broadcasts = createBroadcastRoutes(
    { path: settings.http_broadcast_path, key: config.broadcastKey, maxSize: settings.max_broadcast_size },
    {
      apply,
      refused: ({ code, message }) => {
        metrics.failed_broadcast_msg_total++
        metrics.refused(code)
        log.warn({ code }, `broadcast refused: ${message}`)
      },
    },
  )

  const main = createApp(log)
  main.all(settings['health-path'], c => c.text('ok'))
  for (const path of settings.path) main.all(path, c => c.text('expected a WebSocket', 400))
  if (settings.metrics_http !== '') main.get(settings.metrics_http, async c => c.text(await metrics.text()))
  if (broadcastPort === 'main') main.route('/', broadcasts)

  const clients = createListener(main, upgrade)
  const backends =
    broadcastPort === 'main'
      ? clients
      : createListener(createApp(log).route('/', broadcasts), (_, socket) => refuseUpgrade(socket, '404 Not Found'))

  return {
    async listen() {
      await clients.listen(config.host, settings.port)
      if (broadcastPort !== 'main') await backends.listen(config.host, broadcastPort)
    },
    async close() {
      heartbeat.stop()
      const closed = Promise.all(
        [...new Set([clients, backends])].map(listener => listener.close(settings.shutdown_timeout * 1000)),
      )
      sessions.disconnectAll('server_restart')
      await closed
    },
    get url() {
      return {
        cable: clients.origin.replace('http', 'ws') + settings.path[0],
        broadcast: backends.origin + settings.http_broadcast_path,
      }
    },
  }
}

function createApp(log: Log): Hono {
  const app = new Hono()
  app.notFound(c => c.json({ error: 'not_found', message: FAILURES.not_found[1] }, 404))
  app.onError((error, c) => {
    log.error({ stack: error.stack }, 'a request failed')
    return c.json({ error: 'internal', message: FAILURES.internal[1] }, 500)
  })
  return app
}
