/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── history ◀── backend
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clocks, Every } from './base/clocks.ts'
import { createFailureReporter, guarded, tryEach } from './base/failure.ts'
import { newSid } from './base/sid.ts'
import { createBackend } from './broadcast/backend.ts'
import { createPublish } from './broadcast/publish.ts'
import { addBackendRoutes } from './broadcast/routes.ts'
import { withUnheardLogged } from './broadcast/unheard.ts'
import { createMemory } from './brokers/memory.ts'
import { createChannels } from './channels/channels.ts'
import type { Config } from './config/config.ts'
import { createHeal } from './heal/heal.ts'
import { createRefreshPace } from './heal/pace.ts'
import { addClientRoutes } from './http/client-routes.ts'
import { createPorts } from './http/ports.ts'
import { type Counted, gaugesOf, statsOf } from './http/stats.ts'
import { createUpgradePolicy } from './http/upgrade-policy.ts'
import { Hub } from './hub/hub.ts'
import { Turn } from './hub/turn.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { eventMessage, type PresenceEvent, printAttendance } from './presence/presence.ts'
import { formatPosition } from './protocol/position.ts'
import { createAdmission } from './session/admission.ts'
import { shutDown } from './session/drain.ts'
import { limitsOf } from './session/limits.ts'
import { createResumables } from './session/resumables.ts'
import { Sessions } from './session/sessions.ts'
import { createEventHandler } from './transport/events.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatches } from './transport/pongs.ts'
import { createWebSockets, webSocketSettings } from './transport/websocket.ts'

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
  /** Repeats upkeep, so that a test can run it. */
  every?: Every
}

export function createCable(
  config: Config,
  { log, wall = Date.now, monotonic = () => performance.now(), every = repeat }: CableParts,
): Cable {
  const { settings } = config
  const failed = createFailureReporter(log, code => metrics.refused(code))
  const turn = new Turn(failed, setImmediate)
  const hub = new Hub(turn)
  const tell = (event: PresenceEvent) => hub.broadcast(eventMessage(event))
  const { history, presence, ids } = createMemory(settings, { wall, monotonic, tell })
  const resumables = createResumables(settings, monotonic)
  const sessions = new Sessions(resumables)
  const heartbeat = new Heartbeat(wall, failed)
  const expire = () => tryEach([history, presence, ids, resumables], kept => kept?.expire(), failed)
  const endUpkeep = every(UPKEEP_MS, expire)
  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(guarded(then, failed), ms).unref()
    return () => clearTimeout(timer)
  }
  let draining = false
  const isDraining = () => draining

  const counted = (): Counted => ({ sessions, hub, resumables, history, presence, ids, webSockets, pace })
  const metrics = createMetrics(gaugesOf(counted))
  const sent = (bytes: number, frames: number) => {
    metrics.server_msg_total += frames
    metrics.data_sent_total += bytes
  }
  const pace = createRefreshPace(settings, { later, monotonic })
  const { refused: count } = metrics
  const maxStreams = limitsOf(settings).maxSubscriptions
  const admission = createAdmission(config, {
    resolve: createChannels(config, { wall, verified: key => metrics.verified('streams', key) }),
    heal: createHeal({ count, maxStreams, explain: settings.dev, history, monotonic, later, pace }),
    ping: (beat, rhythm) => heartbeat.add(beat, rhythm),
    watchPongs: createPongWatches(settings.pong_timeout),
    ...{ hub, history, presence, sessions, metrics, log, wall, monotonic, failed, later, newSid },
  })
  const upgrades = createUpgradePolicy({
    allowedOrigins: settings.allowed_origins,
    open: (request, socket, head) => webSockets.open(request, socket, head),
    ...{ isDraining, refused: count, log },
  })
  const webSockets = createWebSockets(
    {
      ...webSocketSettings(settings),
      received: bytes => {
        metrics.data_rcvd_total += bytes
      },
      malformed: upgrades.refuse,
      ...{ turn, refused: count, sent, failed },
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
      tls: config.tls,
      ...{ refused: count, log },
    },
  )
  const clients = ports.serve(settings.port)
  addClientRoutes(clients.app, settings, { isDraining, metrics: metrics.text })
  if (settings.sse) {
    const events = createEventHandler(config, { admission, metrics, turn, sent, isDraining })
    clients.handlers.set(settings.sse_path, events)
  }
  const publish = createPublish({ hub, history, ids, turn, took: metrics.broadcastTook })
  const heard = settings.dev ? withUnheardLogged(publish, { hub, log, monotonic }) : publish
  const urls = addBackendRoutes(config, {
    backend: createBackend({ publish: heard, sessions, metrics }),
    position: () => (history === undefined ? '-' : formatPosition(history.position())),
    attendance: stream => presence && printAttendance(presence.present(stream)),
    streams: () => hub.listeners(),
    stats: () => statsOf(counted()),
    ...{ ports, metrics, log },
  })

  const end = async (timeoutMs: number) => {
    heartbeat.stop()
    webSockets.stop()
    metrics.stop()
    endUpkeep()
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
      await shutDown(settings, { sessions, pause, monotonic, end })
    },
    get url() {
      return {
        cable: clients.origin.replace('http', 'ws') + settings.path[0],
        broadcast: urls.broadcast,
        api: urls.api,
      }
    },
  }
}

const repeat: Every = (ms, then) => {
  const timer = setInterval(then, ms).unref()
  return () => clearInterval(timer)
}

/** How often we forget what is too old. */
const UPKEEP_MS = 1000
