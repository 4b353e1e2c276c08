/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── history ◀── backend
 */
import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { createAdmission } from './admission.ts'
import { createBackend } from './backend.ts'
import { createChannels } from './channels.ts'
import type { Config } from './config.ts'
import { FAILURES, type PublicationRefused } from './errors.ts'
import { createHeal } from './heal.ts'
import { formatPosition } from './history/history.ts'
import { createMemoryHistory } from './history/memory.ts'
import { createApi } from './http/api.ts'
import { createBroadcastRoutes } from './http/broadcast.ts'
import { createEventRoutes } from './http/events.ts'
import { createListener, refuseUpgrade, type Upgrade } from './http/listener.ts'
import { Hub } from './hub.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createMemoryPresence } from './presence/memory.ts'
import { PLAIN_TAIL } from './protocol/action-cable.ts'
import { originAllowed } from './protocol/negotiate.ts'
import { createPublish } from './publish.ts'
import { Resumables } from './resume.ts'
import { Sessions } from './sessions.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createWebSockets } from './transport/websocket.ts'

export interface Cable {
  /** Resolves when every port is bound; rejects, with nothing left open, when one is not to be had. */
  listen: () => Promise<void>
  /** Tells every client to come back, and resolves when all are gone or --shutdown_timeout is over. */
  close: () => Promise<void>
  /** Where clients connect and where backends POST; known once listening. */
  readonly url: { readonly cable: string; readonly broadcast: string; readonly api: string }
}

export function createCable(config: Config, { log, now = Date.now }: { log: Log; now?: () => number }): Cable {
  const { settings } = config
  const hub = new Hub()
  const resumables = new Resumables({
    ttlSeconds: settings.broker === 'none' ? 0 : settings.sessions_ttl,
    max: settings.max_lost_sessions,
    now,
  })
  const sessions = new Sessions(resumables)
  const heartbeat = new Heartbeat(now)
  const history =
    settings.broker === 'none'
      ? undefined
      : createMemoryHistory({
          epoch: randomBytes(6).toString('base64url'),
          limit: settings.history_limit,
          ttlSeconds: settings.history_ttl,
          maxBytes: settings.history_max_size,
          now,
        })
  const presence =
    settings.broker === 'none'
      ? undefined
      : createMemoryPresence({
          ttlSeconds: settings.presence_ttl,
          now,
          tell: ({ stream, type, id, info }) => {
            const body = Buffer.from(JSON.stringify(type === 'join' ? { id, info, type } : { id, type }))
            hub.broadcast({ stream, body, tail: PLAIN_TAIL, type: 'presence', fromClient: true })
          },
        })
  const upkeep = setInterval(() => {
    for (const kept of [history, presence, resumables]) kept?.expire()
  }, 1000)
  upkeep.unref()

  const metrics = createMetrics({
    clients_num: ['Connected sessions.', () => sessions.count],
    clients_uniq_num: ['Distinct identities among them.', () => sessions.identities],
    broadcast_streams_num: ['Streams that have a listener.', () => hub.size],
    lost_sessions_num: ['Lost sessions that can still be resumed.', () => resumables.size],
    history_bytes: ['Bytes of history.', () => history?.bytes ?? 0],
    history_streams_num: ['Streams that have a history.', () => history?.streams ?? 0],
  })
  const gap = createHeal({ history, now, count: what => metrics.refused(what) })
  const admission = createAdmission(config, {
    resolve: createChannels(config),
    hub,
    history,
    presence,
    gap,
    sessions,
    heartbeat,
    metrics,
    log,
  })
  const sent = (bytes: number) => {
    metrics.server_msg_total++
    metrics.data_sent_total += bytes
  }
  const webSockets = createWebSockets(
    {
      maxMessageSize: settings.max_message_size,
      maxPendingSize: settings.ws_max_pending_size,
      probeMs: Math.min(2 * settings.ping_interval, 6) * 1000,
      sent,
      received: bytes => {
        metrics.data_rcvd_total += bytes
      },
    },
    admission.accept,
  )
  const upgrade: Upgrade = (request, socket, head) => {
    const path = (request.url ?? '').split('?', 1)[0]!
    if (!settings.path.includes(path)) return refuseUpgrade(socket, '404 Not Found')
    const { origin } = request.headers
    if (originAllowed(origin, settings.allowed_origins)) return webSockets.open(request, socket, head)
    metrics.refused('origin_not_allowed')
    log.warn({ code: 'origin_not_allowed', origin }, 'origin refused: add its host to --allowed_origins')
    refuseUpgrade(socket, '403 Forbidden')
  }

  const backend = createBackend({ publish: createPublish(hub, history), sessions, metrics })
  const routed = {
    maxSize: settings.max_broadcast_size,
    refused: ({ code, message }: PublicationRefused) => {
      metrics.failed_broadcast_msg_total++
      metrics.refused(code)
      log.warn({ code }, `backend refused: ${message}`)
    },
  }
  const broadcasts = createBroadcastRoutes(
    { ...routed, path: settings.http_broadcast_path, key: config.broadcastKey },
    { ...backend, position: () => (history === undefined ? '-' : formatPosition(history.position())) },
  )
  const api = createApi(
    { ...routed, path: settings.api_path, key: config.api?.key ?? '' },
    {
      ...backend,
      presence,
      streams: () => hub.listeners(),
      stats: () => ({
        sessions: sessions.count,
        identities: sessions.identities,
        streams: hub.size,
        lost_sessions: resumables.size,
        history: history && {
          bytes: history.bytes,
          streams: history.streams,
          epoch: history.epoch,
          offset: history.offset,
        },
      }),
    },
  )

  const main = createApp(log)
  main.all(settings['health-path'], c => c.text('ok'))
  for (const path of settings.path) main.all(path, c => c.text('expected a WebSocket', 400))
  if (settings.metrics_http !== '') main.get(settings.metrics_http, async c => c.text(await metrics.text()))
  if (settings.sse) {
    const events = createEventRoutes(
      {
        path: settings.sse_path,
        allowedOrigins: settings.allowed_origins,
        maxSize: settings.max_message_size,
        maxPendingSize: settings.ws_max_pending_size,
        pingInterval: settings.ping_interval,
        explain: settings.dev,
        sent,
      },
      { admission, sessions, heartbeat, slow: () => metrics.disconnected_slow_clients_total++ },
    )
    main.route('/', events)
  }
  const clients = createListener(main, upgrade)

  const ports = [{ listener: clients, port: settings.port }]
  /** Routes on the clients' port, or on one of their own. */
  const serve = (routes: Hono, port: number | 'main') => {
    if (port === 'main') return main.route('/', routes) && clients
    const shared = ports.find(({ port: taken }) => taken === port && port !== 0)
    const listener =
      shared?.listener ?? createListener(createApp(log), (_, socket) => refuseUpgrade(socket, '404 Not Found'))
    listener.app.route('/', routes)
    if (shared === undefined) ports.push({ listener, port })
    return listener
  }
  const backends = serve(broadcasts, config.broadcastPort)
  const operators = config.api === undefined ? clients : serve(api, config.api.port)

  return {
    async listen() {
      try {
        for (const { listener, port } of ports) await listener.listen(config.host, port)
      } catch (error) {
        await this.close()
        throw error
      }
    },
    async close() {
      heartbeat.stop()
      webSockets.stop()
      clearInterval(upkeep)
      const closed = Promise.all(ports.map(({ listener }) => listener.close(settings.shutdown_timeout * 1000)))
      sessions.disconnectAll('server_restart')
      await closed
    },
    get url() {
      return {
        cable: clients.origin.replace('http', 'ws') + settings.path[0],
        broadcast: backends.origin + settings.http_broadcast_path,
        api: operators.origin + settings.api_path,
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
