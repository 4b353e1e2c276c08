/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── history ◀── backend
 */
import { setTimeout as pause } from 'node:timers/promises'
import { bundleClient } from '../client/bundle.ts'
import type { Clocks, Every } from './base/clocks.ts'
import { createFailureReporter, guarded, tryEach } from './base/failure.ts'
import { newSid, randomLetters } from './base/random.ts'
import { soon } from './base/soon.ts'
import { createBackend } from './broadcast/backend.ts'
import { createDisconnect } from './broadcast/disconnect.ts'
import { addBackendRoutes } from './broadcast/routes.ts'
import { withUnheardLogged } from './broadcast/unheard.ts'
import { withUnpublishedHealed } from './broadcast/unpublished.ts'
import type { Broker } from './broker.ts'
import { createMemoryBroker, type SyncBroker } from './brokers/memory.ts'
import { createRecentIds } from './brokers/recent-ids.ts'
import { createChannels, type Resolve } from './channels/channels.ts'
import type { Config } from './config/config.ts'
import { type CutCode, describeCut, GAPS, type GapCode } from './errors.ts'
import { createHeal } from './heal/heal.ts'
import { createRefreshPace } from './heal/pace.ts'
import { createHistory } from './history/memory.ts'
import { addClientRoutes } from './http/client-routes.ts'
import { createClientScripts } from './http/client-scripts.ts'
import { createPorts } from './http/ports.ts'
import { type Counted, gaugesOf, statsOf } from './http/stats.ts'
import { createUpgradePolicy } from './http/upgrade-policy.ts'
import { createFeed } from './hub/feed.ts'
import { Hub } from './hub/hub.ts'
import { createListening } from './hub/listening.ts'
import { createTell } from './hub/tell.ts'
import { Turn } from './hub/turn.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { createPresence, type MemoryPresence } from './presence/memory.ts'
import { eventMessage, type Presence, type PresenceEvent, printAttendance } from './presence/presence.ts'
import { formatPosition, type Position } from './protocol/position.ts'
import { type Connect, createAdmission } from './session/admission.ts'
import { Arrivals } from './session/arrivals.ts'
import { shutDown } from './session/drain.ts'
import { limitsOf } from './session/limits.ts'
import { createResumables, type MemoryResumables } from './session/memory-resumables.ts'
import type { Resumables } from './session/resumables.ts'
import { Sessions } from './session/sessions.ts'
import { createEventHandler } from './transport/events.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatches } from './transport/pongs.ts'
import { createWebSockets, webSocketSettings } from './transport/websocket.ts'

export interface Cable {
  /** Resolves when every port is bound; rejects, closing every port, if one cannot be bound. */
  listen: () => Promise<void>
  /** Tells every client to reconnect, and resolves when all have left or --shutdown_timeout is over. */
  close: () => Promise<void>
  /** URLs for clients and backends; known once the cable listens. */
  readonly url: { readonly cable: string; readonly broadcast: string; readonly api: string }
}

export interface CableParts extends Partial<Clocks> {
  log: Log
  /** Repeats upkeep, so that a test can run it. */
  every?: Every
  /** Puts another broker in front of the one in memory. */
  wrapBroker?: (memory: SyncBroker) => Broker
  /** Puts another store in front of the lost sessions in memory. */
  wrapResumables?: (memory: MemoryResumables) => Resumables
  /** Puts another presence in front of the one in memory. */
  wrapPresence?: (memory: MemoryPresence) => Presence
  /** Puts another meaning of identifiers in front of the channels. */
  wrapResolve?: (channels: Resolve) => Resolve
  /** Asks the app for the identity of a caller without a token. */
  connect?: Connect
}

export function createCable(
  config: Config,
  {
    log,
    wall = Date.now,
    monotonic = () => performance.now(),
    every = repeat,
    wrapBroker,
    wrapResumables,
    wrapPresence,
    wrapResolve,
    connect,
  }: CableParts,
): Cable {
  const { settings } = config
  const failed = createFailureReporter(log, code => metrics.refused(code))
  const turn = new Turn(failed, setImmediate)
  const hub = new Hub(turn)
  const history = createHistory(settings, { wall, monotonic })
  const ids = createRecentIds({ ttlSeconds: settings.history_ttl, monotonic })
  const memory = createMemoryBroker({ history, ids })
  const broker: Broker = wrapBroker?.(memory) ?? memory
  const dropped = () => {
    metrics.live_msg_dropped_total++
  }
  const tell = createTell({ broker, dropped, failed })
  const tellEvent = (event: PresenceEvent) => tell(event.stream, eventMessage(event))
  const memoryPresence = createPresence(settings, { monotonic, tell: tellEvent })
  const presence = memoryPresence && (wrapPresence?.(memoryPresence) ?? memoryPresence)
  const memoryResumables = createResumables(settings, monotonic)
  const resumables = wrapResumables?.(memoryResumables) ?? memoryResumables
  const heartbeat = new Heartbeat(wall, failed)
  const expire = () => tryEach([history, memoryPresence, ids, memoryResumables], kept => kept?.expire(), failed)
  const endUpkeep = every(UPKEEP_MS, expire)
  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(guarded(then, failed), ms).unref()
    return () => clearTimeout(timer)
  }
  const arrivals = new Arrivals({ later })
  const sessions = new Sessions({ resumables, arrivals, signal: broker.signal, later, failed })
  let draining = false
  const isDraining = () => draining

  const kept = { history, ids, resumables: memoryResumables, presence: memoryPresence }
  const counted = (): Counted => ({ sessions, arrivals, hub, broker, ...kept, webSockets, pace })
  const metrics = createMetrics(gaugesOf(counted))
  const sent = (bytes: number, frames: number) => {
    metrics.server_msg_total += frames
    metrics.data_sent_total += bytes
  }
  const pace = createRefreshPace(settings, { later, monotonic })
  const { refused: count } = metrics
  const cut = (code: CutCode) => {
    count(code)
    log.debug({ code }, describeCut(code))
  }
  const missed = (code: GapCode) => {
    count(code)
    log.debug({ code }, `a page may have missed messages: ${GAPS[code]}`)
  }
  const position = () => (history === undefined ? undefined : { offset: broker.seen, epoch: broker.epoch })
  const maxStreams = limitsOf(settings).maxSubscriptions
  const channels = createChannels(config, { wall, verified: key => metrics.verified('streams', key) })
  const admission = createAdmission(config, {
    resolve: wrapResolve?.(channels) ?? channels,
    heal: createHeal({ count: missed, metrics, maxStreams, explain: settings.dev, position, monotonic, later, pace }),
    ping: (beat, rhythm) => heartbeat.add(beat, rhythm),
    watchPongs: createPongWatches(settings.pong_timeout),
    history: history && broker,
    listening: createListening({ broker, later }),
    changed: sessions.changed,
    ...{ hub, tell, presence, sessions, arrivals, connect, metrics, log, wall, monotonic, failed, later, newSid },
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
      tls: config.tls,
      ...{ refused: cut, log },
    },
  )
  const clients = ports.serve(settings.port)
  addClientRoutes(clients.app, settings, { isDraining, broker, metrics: metrics.text })
  if (settings.client_js === 'on')
    clients.app.route('/', createClientScripts(settings.path, { build: bundleClient, log }))
  if (settings.sse) {
    const events = createEventHandler(config, { admission, metrics, turn, sent, isDraining })
    clients.handlers.set(settings.sse_path, events)
  }
  broker.start(
    createFeed({
      signal: request => sessions.signalled(request),
      gap: streams => sessions.gap(streams),
      took: metrics.broadcastTook,
      ...{ broker, hub, turn, monotonic },
    }),
  )
  const published = withUnpublishedHealed({ publish: broker.publish, forget: broker.forget, later })
  const publish = settings.dev ? withUnheardLogged(published, { hub, log, monotonic }) : published
  const forget = (identity: string) => resumables.forget(identity)
  const urls = addBackendRoutes(config, {
    backend: createBackend({ publish, disconnect: createDisconnect({ signal: broker.signal, forget }), metrics }),
    position: () => (history === undefined ? '-' : soon(broker.position(), pagePosition)),
    attendance: stream => presence && soon(presence.present(stream), printAttendance),
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

/** The position of a page that is rendered now; no two pages have the same. */
const pagePosition = ({ offset, epoch }: Position): string => formatPosition({ offset, epoch, nonce: randomLetters(6) })

/** Time between two sweeps of expired entries. */
const UPKEEP_MS = 1000
