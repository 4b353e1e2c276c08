/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── history ◀── backend
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clocks } from './base/clocks.ts'
import { createFailureReporter, guarded, tryEach } from './base/failure.ts'
import { newSid } from './base/sid.ts'
import { createBackend } from './broadcast/backend.ts'
import { createBroadcastHandler, createPositionRoutes } from './broadcast/http.ts'
import { createPublish } from './broadcast/publish.ts'
import { withUnheardLogged } from './broadcast/unheard.ts'
import { createMemory } from './brokers/memory.ts'
import { createChannels } from './channels/channels.ts'
import type { Config } from './config/config.ts'
import { HANDSHAKES, type PublicationRefused } from './errors.ts'
import { createHeal } from './heal/heal.ts'
import { answersBelow500, createPace } from './heal/pace.ts'
import { createApi } from './http/api.ts'
import { refuseUpgrade } from './http/listener.ts'
import { createPorts } from './http/ports.ts'
import { handshakeFault, isCurrentVersion, type Upgrade } from './http/upgrade.ts'
import { Hub } from './hub/hub.ts'
import { Turn } from './hub/turn.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { printAttendance, printEvent } from './presence/presence.ts'
import { originAllowed } from './protocol/negotiate.ts'
import { formatPosition } from './protocol/position.ts'
import { createAdmission } from './session/admission.ts'
import { drain } from './session/drain.ts'
import { limitsOf } from './session/limits.ts'
import { Resumables } from './session/resumables.ts'
import { Sessions } from './session/sessions.ts'
import { createEventHandler } from './transport/events.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatch } from './transport/pongs.ts'
import { createWebSockets, type WebSocketSettings } from './transport/websocket.ts'

export interface Cable {
  /** Resolves when every port is bound; rejects, with nothing left open, when one is not to be had. */
  listen: () => Promise<void>
  /** Tells every client to come back, and resolves when all are gone or --shutdown_timeout is over. */
  close: () => Promise<void>
  /** Where clients connect and where backends POST; known once listening. */
  readonly url: { readonly cable: string; readonly broadcast: string; readonly api: string }
}

export interface CableParts extends Partial<Clocks> {
  log: Log
}

export function createCable(
  config: Config,
  { log, wall = Date.now, monotonic = () => performance.now() }: CableParts,
): Cable {
  const { settings } = config
  const failed = createFailureReporter(log, code => metrics.refused(code))
  const turn = new Turn(failed, setImmediate)
  const hub = new Hub(turn)
  const { history, presence } = createMemory(settings, {
    wall,
    monotonic,
    tell: event =>
      hub.broadcast({
        stream: event.stream,
        body: Buffer.from(`${printEvent(event)}}`),
        type: 'presence',
        fromClient: true,
        transient: true,
      }),
  })
  const resumables = new Resumables({
    ttlSeconds: settings.broker === 'none' ? 0 : settings.sessions_ttl,
    max: settings.max_lost_sessions,
    maxBytes: settings.max_lost_sessions_size,
    monotonic,
  })
  const expire = () => tryEach([history, presence, resumables], kept => kept?.expire(), failed)
  const upkeep = setInterval(expire, 1000)
  upkeep.unref()
  const sessions = new Sessions(resumables)
  const heartbeat = new Heartbeat(wall, failed)
  let draining = false

  const metrics = createMetrics({
    clients_num: ['Connected sessions.', () => sessions.count],
    clients_uniq_num: ['Distinct identities among them.', () => sessions.identities],
    broadcast_streams_num: ['Streams that have a listener.', () => hub.size],
    lost_sessions_num: ['Lost sessions that can still be resumed.', () => resumables.size],
    lost_sessions_bytes: ['Bytes of lost sessions.', () => resumables.bytes],
    lost_sessions_evicted_total: [
      'Lost sessions that gave way to newer ones: --max_lost_sessions, --max_lost_sessions_size.',
      () => resumables.evicted,
    ],
    pending_bytes: ['Bytes that wait to be written to clients.', () => sessions.pending],
    refreshes_waiting_num: ['Refreshes that wait for their turn.', () => pace?.waiting ?? 0],
    history_bytes: ['Bytes of history.', () => history?.bytes ?? 0],
    history_evicted_total: ['Messages that gave way to newer ones: --history_max_size.', () => history?.evicted ?? 0],
    presence_bytes: ['Bytes of presence.', () => presence?.bytes ?? 0],
    presence_evicted_total: ['Members that gave way to newer ones: --presence_max_size.', () => presence?.evicted ?? 0],
    presence_truncated_total: [
      'Presence answers that left members out: --max_presence_answer_size.',
      () => presence?.truncated ?? 0,
    ],
    sse_clients_num: ['Sessions of server-sent events.', () => sessions.count - webSockets.count],
    mem_sys_bytes: ['Resident memory.', () => process.memoryUsage.rss()],
    history_streams_num: ['Streams that have a history.', () => history?.streams ?? 0],
  })
  const sent = (bytes: number, frames: number) => {
    metrics.server_msg_total += frames
    metrics.data_sent_total += bytes
  }

  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(guarded(then, failed), ms).unref()
    return () => clearTimeout(timer)
  }
  const pace =
    settings.heal === 'off'
      ? undefined
      : createPace({
          rate: settings.heal_rate,
          notBefore: monotonic() + settings.heal_delay * 1000,
          check: settings.heal_check === '' ? undefined : answersBelow500(settings.heal_check),
          later,
          monotonic,
        })
  const admission = createAdmission(config, {
    resolve: createChannels(config, { wall, verified: key => metrics.verified('streams', key) }),
    heal: createHeal({
      count: metrics.refused,
      maxStreams: limitsOf(settings).maxSubscriptions,
      explain: settings.dev,
      ...{ history, monotonic, later, pace },
    }),
    newSid,
    later,
    ping: (beat, rhythm) => heartbeat.add(beat, rhythm),
    watchPongs:
      settings.pong_timeout > 0 ? missing => createPongWatch(settings.pong_timeout * 1000, missing) : undefined,
    ...{ hub, history, presence, sessions, metrics, log, wall, monotonic, failed },
  })
  const refuseHandshake: WebSocketSettings['malformed'] = (request, socket) => {
    const code = handshakeFault(request)
    metrics.refused(code)
    const [status, fix] = HANDSHAKES[code]
    refuseUpgrade(socket, status, fix)
  }
  const webSockets = createWebSockets(
    {
      maxMessageSize: settings.max_message_size,
      maxPendingSize: settings.ws_max_pending_size,
      probeMs: Math.min(1.5 * settings.ping_interval, 4) * 1000,
      rate: {
        // When a page opens it subscribes to all its streams at once.
        burst: Math.max(settings.max_command_burst, 2 * settings.max_subscriptions),
        perSecond: settings.max_command_rate,
      },
      turn,
      refused: metrics.refused,
      received: bytes => {
        metrics.data_rcvd_total += bytes
      },
      sent,
      failed,
      malformed: refuseHandshake,
    },
    admission.accept,
  )
  const take: Upgrade['take'] = (request, socket, head) => {
    if (draining) return refuseUpgrade(socket, '503 Service Unavailable')
    const { origin } = request.headers
    if (!originAllowed(origin, settings.allowed_origins)) {
      metrics.refused('origin_not_allowed')
      log.warn({ code: 'origin_not_allowed', origin }, 'origin refused: add its host to --allowed_origins')
      return refuseUpgrade(socket, '403 Forbidden')
    }
    if (!isCurrentVersion(request)) return refuseHandshake(request, socket)
    webSockets.open(request, socket, head)
  }

  const ports = createPorts(
    { paths: settings.path, take },
    {
      handshakeMs: settings.handshake_timeout * 1000,
      maxHeaderSize: settings.max_header_size,
      isCrowded: connections => connections > settings.max_unauthenticated,
      sessions: () => sessions.count,
      tls: config.tls,
      refused: metrics.refused,
      log,
    },
  )
  const clients = ports.serve(settings.port)
  clients.app.all(settings['health-path'], c => c.text('ok'))
  clients.app.all(settings['ready-path'], c => (draining ? c.text('draining', 503) : c.text('ready')))
  for (const path of settings.path) clients.app.all(path, c => c.text('expected a WebSocket', 400))
  if (settings.metrics_http !== '') clients.app.get(settings.metrics_http, async c => c.text(await metrics.text()))
  if (settings.sse)
    clients.handlers.set(
      settings.sse_path,
      createEventHandler(config, { admission, sessions, heartbeat, metrics, turn, sent, draining: () => draining }),
    )

  const publish = createPublish({ hub, history, turn, took: metrics.broadcastTook })
  const backend = createBackend({
    publish: settings.dev ? withUnheardLogged(publish, { hub, log, monotonic }) : publish,
    sessions,
    metrics,
  })
  const routed = (kind: 'broadcast' | 'api', path: string, keys: readonly string[]) => ({
    path,
    keys,
    maxSize: settings.max_broadcast_size,
    verified: (key: number) => metrics.verified(kind, key),
    refused: ({ code, message }: PublicationRefused) => {
      metrics.failed_broadcast_msg_total++
      metrics.refused(code)
      log.warn({ code }, `backend refused: ${message}`)
    },
  })
  const backends = ports.serve(config.broadcastPort)
  const broadcast = routed('broadcast', settings.http_broadcast_path, config.broadcastKeys)
  backends.handlers.set(broadcast.path, createBroadcastHandler(broadcast, backend.publish))
  const position = () => (history === undefined ? '-' : formatPosition(history.position()))
  backends.app.route('/', createPositionRoutes(broadcast, position))
  const operators = ports.serve(config.api?.port ?? 'main')
  if (config.api !== undefined) {
    const stats = () => ({
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
    })
    const api = createApi(routed('api', settings.api_path, config.api.keys), {
      ...backend,
      attendance: stream => presence && printAttendance(presence.present(stream)),
      streams: () => hub.listeners(),
      stats,
    })
    operators.app.route('/', api)
  }

  const end = async (timeoutMs: number) => {
    heartbeat.stop()
    webSockets.stop()
    metrics.stop()
    clearInterval(upkeep)
    await ports.close(timeoutMs)
  }
  return {
    async listen() {
      try {
        await ports.listen(config.host)
      } catch (error) {
        await end(0)
        throw error
      }
    },
    async close() {
      draining = true
      const timeoutMs = settings.shutdown_timeout * 1000
      const drainMs = settings.shutdown_drain < 0 ? timeoutMs / 3 : settings.shutdown_drain * 1000
      await pause(settings.shutdown_delay * 1000)
      const started = monotonic()
      // Backends are heard to the last: what they POST meanwhile reaches whoever is still here.
      await drain(sessions, Math.min(drainMs, timeoutMs), pause)
      await end(Math.max(0, timeoutMs - (monotonic() - started)))
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
