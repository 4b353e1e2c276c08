/**
 * The cable, put together: createCable(config, { log }) → { listen, close, url }.
 *
 *   client ──▶ transport ──▶ admission ──▶ session ──▶ hub ◀── history ◀── backend
 */
import { setTimeout as pause } from 'node:timers/promises'
import { bundleClient } from '../client/bundle.ts'
import { type Clocks, type Every, repeat } from './base/clocks.ts'
import { createFailureReporter, guarded } from './base/failure.ts'
import { newSid, randomLetters } from './base/random.ts'
import { soon } from './base/soon.ts'
import { createBackend } from './broadcast/backend.ts'
import { createDisconnect } from './broadcast/disconnect.ts'
import { addBackendRoutes } from './broadcast/routes.ts'
import { createTrace } from './broadcast/trace.ts'
import { withUnheardLogged } from './broadcast/unheard.ts'
import { withUnpublishedHealed } from './broadcast/unpublished.ts'
import type { WayIn, WayInParts } from './broadcast/way-in.ts'
import { createWaysIn } from './broadcast/ways-in.ts'
import { refusedWhileAway } from './broadcast/while-away.ts'
import { createRedisStores } from './brokers/redis-stores.ts'
import { type Channels, createChannels, type Resolve } from './channels/channels.ts'
import { withPermits } from './channels/permitted.ts'
import { withApp } from './channels/with-app.ts'
import type { Config } from './config/config.ts'
import { createRecent } from './debug/recent.ts'
import { createDebugRoutes } from './debug/routes.ts'
import { GAPS, type GapCode } from './errors.ts'
import { createHeal } from './heal/heal.ts'
import { createRefreshPace, type Pace } from './heal/pace.ts'
import { showMetrics } from './http/show-metrics.ts'
import { type Counted, gaugesOf, type Numbers, type OwnCounts, statsOf } from './http/stats.ts'
import { createFeed } from './hub/feed.ts'
import { Hub } from './hub/hub.ts'
import { createListening } from './hub/listening.ts'
import { Turn } from './hub/turn.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { printAttendance } from './presence/presence.ts'
import { formatPosition, type Position } from './protocol/position.ts'
import { type LoadedAuthority, loadAuthority } from './rpc/load-authority.ts'
import { createAdmission } from './session/admission.ts'
import type { AppSettings } from './session/app.ts'
import { Arrivals } from './session/arrivals.ts'
import { shutDown } from './session/drain.ts'
import type { Connect } from './session/identify.ts'
import { limitsOf } from './session/limits.ts'
import { Sessions } from './session/sessions.ts'
import { createStores, type Wraps } from './session/stores.ts'
import { createClients } from './transport/clients.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { createPongWatches } from './transport/pongs.ts'

export interface Cable {
  /** Resolves when every port is bound; rejects, closing every port, if one cannot be bound. */
  listen: () => Promise<void>
  /** Tells every client to reconnect, and resolves when all have left or --shutdown_timeout is over. */
  close: () => Promise<void>
  /** URLs for clients and backends; known once the cable listens. */
  readonly url: {
    readonly cable: string
    readonly broadcast: string
    readonly api: string
    /** `undefined`: Prometheus cannot ask. */
    readonly metrics: string | undefined
  }
}

export interface CableParts extends Partial<Clocks>, Wraps {
  log: Log
  /** Repeats upkeep, so that a test can run it. */
  every?: Every
  /** Puts another meaning of identifiers in front of the channels. */
  wrapResolve?: (channels: Channels) => Resolve
  /** Answers for the app of --rpc_host. */
  connect?: Connect
  /** The process that does a part of the work for this one (--workers). */
  primary?: Primary
}

export interface Primary {
  /** `undefined`: this process has its own. */
  pace?: Pace
  /** `undefined`: this process has its own. */
  waysIn?: (parts: Pick<WayInParts, 'lost'>) => WayIn
  /** Returns the numbers of all processes. */
  numbers: (own: OwnCounts) => Numbers
}

export function createCable(
  config: Config,
  {
    log: given,
    wall = Date.now,
    monotonic = () => performance.now(),
    every = repeat,
    wrapResolve,
    connect,
    primary,
    ...wraps
  }: CableParts,
): Cable {
  const { settings } = config
  const recent = settings.dev ? createRecent(wall) : undefined
  const log = recent?.logged(given) ?? given
  const failed = createFailureReporter(log, code => metrics.refused(code))
  const later = (ms: number, then: () => void) => {
    const timer = setTimeout(guarded(then, failed), ms).unref()
    return () => clearTimeout(timer)
  }
  const turn = new Turn(failed, setImmediate)
  const hub = new Hub(turn)
  const dropped = () => {
    metrics.live_msg_dropped_total++
  }
  const shared = createRedisStores(config, { later, every, failed, log })
  const stores = createStores(settings, { wall, monotonic, dropped, failed, ...shared, ...wraps })
  const { broker, history, tell, presence, resumables } = stores
  const endUpkeep = every(UPKEEP_MS, () => {
    stores.expire()
    authority?.expire()
    app()?.departures.expire()
  })
  const heartbeat = new Heartbeat(wall, failed)
  const arrivals = new Arrivals({ later })
  const app = () => admission.shared.app
  const sessions = new Sessions({
    departures: () => app()?.departures,
    ...{ resumables, arrivals, signal: broker.signal, later, failed },
  })
  const ownPace = createRefreshPace(settings, { nodes: () => broker.nodes ?? 1, later, monotonic })
  const pace = ownPace && (primary?.pace ?? ownPace)
  let draining = false
  const whyClosed = () => (draining ? 'draining' : waysIn.closed)

  const counted = (): Counted => {
    const memory = shared ? undefined : stores.memory
    const parts = { webSockets, pace, authority, app: app() }
    return { sessions, arrivals, hub, broker, memory, ...parts }
  }
  const has = { rpc: config.rpc !== undefined, memory: shared === undefined }
  const metrics = createMetrics(gaugesOf(counted, has), settings.metrics_tags)
  const count = (code: GapCode) => {
    metrics.refused(code)
    log.debug({ code }, `a page may have missed messages: ${GAPS[code]}`)
  }
  const position = () => history && { offset: history.seen, epoch: history.epoch }
  const maxStreams = limitsOf(settings).maxSubscriptions
  const channels = createChannels(config, { wall, verified: key => metrics.verified('streams', key) })
  let authority: LoadedAuthority | undefined
  const permitted =
    config.authority === undefined
      ? channels
      : withPermits(channels, { permit: (...asked) => authority!.permit(...asked), monotonic })
  const { rpc } = config
  /** (A cable without --rpc_host should not start more slowly.) */
  const loadApp = async (rpc: AppSettings) => {
    const { createApp } = await import('./session/app.ts')
    const isResumable = settings.broker !== 'none' && settings.sessions_ttl > 0
    const resumableMs = isResumable ? 1000 * Math.min(settings.sessions_ttl, settings.presence_ttl) : 0
    return createApp(rpc, { resumableMs, resumables, random: Math.random, monotonic, later, failed, log })
  }
  const admission = createAdmission(config, {
    resolve:
      wrapResolve?.(channels) ?? (rpc ? withApp(permitted, (...asked) => app()!.subscribe(...asked)) : permitted),
    connect: connect ?? (rpc && (({ sid, request, signal }) => app()!.connect(sid, request!, signal))),
    requestOf: (rpc || config.authority) && (caller => (app() ?? authority)!.requestOf(caller)),
    heal: createHeal({ count, metrics, maxStreams, explain: settings.dev, position, monotonic, later, pace }),
    ping: (beat, rhythm) => heartbeat.add(beat, rhythm),
    watchPongs: createPongWatches(settings.pong_timeout),
    listening: createListening({ broker, later }),
    changed: sessions.changed,
    ...{ history, hub, tell, presence, sessions, arrivals, metrics, log, wall, monotonic, failed, later },
    newSid,
  })
  const { ports, listener, webSockets } = createClients(config, {
    bundle: bundleClient,
    waysIn: () => waysIn.conditions,
    ...{ admission, sessions, broker, whyClosed, metrics, turn, failed, log },
  })

  const trace = settings.log_level === 'debug' ? createTrace({ hub, log }) : undefined
  const feed = createFeed({
    signal(request) {
      if ('identity' in request) authority?.forget(request.identity)
      return sessions.signalled(request)
    },
    gap: streams => sessions.gap(streams),
    took: metrics.broadcastTook,
    delivered: trace?.delivered,
    ...{ broker, hub, turn, monotonic },
  })
  const watched =
    recent?.published(withUnheardLogged(broker.publish, { hub, log, monotonic }), { hub, newest: () => broker.seen }) ??
    broker.publish
  const publish = withUnpublishedHealed({ publish: watched, forget: broker.forget, later })
  const publishStored = refusedWhileAway(watched)
  const forget = (identity: string) => resumables.forget(identity)
  const disconnect = createDisconnect({ signal: broker.signal, forget })
  const backend = createBackend({ publish, publishStored, disconnect, arrived: trace?.arrived, metrics })
  const lost = () => void sessions.stopSome(Number.POSITIVE_INFINITY)
  const waysIn =
    primary?.waysIn?.({ lost }) ??
    createWaysIn(config, {
      publish: backend.publish,
      // (A broker in this process sends us all streams.)
      isShared: broker.listen !== undefined,
      lost,
      missed: () => broker.forget('all'),
      ...{ pause, monotonic, metrics, failed, log },
    })
  const own: OwnCounts = { stats: () => statsOf(counted()), streams: () => hub.listeners(), metrics }
  const numbers = primary?.numbers(own) ?? { ...own, text: metrics.text }
  const urls = addBackendRoutes(config, {
    backend,
    position: () => (history === undefined ? '-' : soon(history.position(), pagePosition)),
    attendance: stream => presence && soon(presence.present(stream), printAttendance),
    numbers,
    debug: recent && (to => createDebugRoutes(to, { settings: config, recent, sessions, hub, position, wall })),
    ...{ ports, metrics, log },
  })
  const shown = showMetrics(config, { ports, metrics, numbers, every, log })

  const end = async (timeoutMs: number) => {
    await waysIn.stop()
    heartbeat.stop()
    webSockets.stop()
    authority?.stop()
    metrics.stop()
    shown.stop()
    endUpkeep()
    const started = monotonic()
    await ports.close(timeoutMs)
    // (Some connections may not have said yet that they are closed.)
    if (rpc !== undefined) sessions.loseAll()
    await app()?.stop(Math.max(0, timeoutMs - (monotonic() - started)))
    await broker.stop?.()
  }
  return {
    listen: () =>
      keepAlive(async () => {
        try {
          await broker.start(feed)
          await waysIn.start()
          if (rpc !== undefined) admission.shared.app = await loadApp(rpc)
          if (config.authority !== undefined)
            authority = await loadAuthority(config.authority, {
              concurrency: settings.subscribe_concurrency,
              random: Math.random,
              ...{ wall, monotonic, later, metrics, log },
            })
          await ports.listen(config.host)
        } catch (error) {
          await end(0)
          throw error
        }
      }),
    close: () =>
      keepAlive(async () => {
        draining = true
        await waysIn.stop()
        await shutDown(settings, { sessions, pause, monotonic, end })
      }),
    get url() {
      return {
        cable: listener.origin.replace('http', 'ws') + settings.path[0],
        broadcast: urls.broadcast,
        api: urls.api,
        metrics: shown.url,
      }
    },
  }
}

/** The position of a page that is rendered now; no two pages have the same. */
const pagePosition = ({ offset, epoch }: Position): string => formatPosition({ offset, epoch, nonce: randomLetters(6) })

/** Without an open port only this keeps the process alive, because our timers do not. */
async function keepAlive(work: () => Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, ALIVE_MS)
  try {
    await work()
  } finally {
    clearInterval(alive)
  }
}

/** Any time will do. */
const ALIVE_MS = 60_000
/** Time between two sweeps of expired entries. */
const UPKEEP_MS = 1000
