/**
 * A worker: a cable whose stores are in the primary, or with --broker=redis in Redis. It ends when it loses the primary.
 */
import { Socket } from 'node:net'
import { createFailureReporter } from '../base/failure.ts'
import { type Cable, createCable } from '../cable.ts'
import type { Config } from '../config/config.ts'
import type { OwnCounts } from '../http/stats.ts'
import type { Log, ProcessLog } from '../log.ts'
import { countOf, isNode } from './count.ts'
import type { PrimaryOffers, PrimaryState, WorkerOffers } from './offers.ts'
import { createPeer, type Peer } from './peer.ts'
import { createRemote } from './remote.ts'

/** The file descriptor of the pipe to the primary. */
export const PIPE = 4

const TICK_MS = 1_000

/** Runs until the primary stops it. */
export function runWorker(config: Config, log: ProcessLog): void {
  const share = shareOf(config)
  // A terminal, or systemd, signals all processes at once, and the primary stops the workers.
  process.on('SIGTERM', () => {})
  process.on('SIGINT', () => {})
  const offers: Partial<WorkerOffers> = {
    begin(worker, state) {
      try {
        Object.assign(offers, start(share, { primary, state, worker, log: log.child({ worker }) }))
      } catch (error) {
        cannotListen(error, primary)
      }
    },
  }
  const primary = createPeer<WorkerOffers, PrimaryOffers>(new Socket({ fd: PIPE }), {
    offers: offers as WorkerOffers,
    closed: () => process.exit(1),
    heard() {},
    failed: createFailureReporter(log, () => {}),
  })
}

interface WorkerParts {
  primary: Peer<PrimaryOffers>
  state: PrimaryState
  worker: number
  log: Log
}

function start(config: Config, { primary, state, worker, log }: WorkerParts): Omit<WorkerOffers, 'begin'> {
  let own: OwnCounts
  const gone = () => process.exit(1)
  const remote = createRemote({ primary, state, gone })
  const { wraps, pace, waysIn } = remote
  const cable = createCable(config, {
    log,
    ...(isNode(config) ? {} : wraps),
    primary: {
      ...(isNode(config) ? {} : { pace, waysIn }),
      numbers(counts) {
        own = counts
        return {
          stats: () => primary.ask('stats'),
          streams: () => primary.ask('streams'),
          text: () => primary.ask('metrics'),
        }
      },
    },
  })
  setInterval(remote.missTick, TICK_MS).unref()
  void listen(cable, primary)
  return {
    ...remote.offers,
    numbers: async () => ({
      worker,
      stats: own.stats(),
      streams: [...own.streams()],
      values: own.metrics.values(),
      metrics: await own.metrics.json(),
    }),
    async stop() {
      await cable.close()
      process.exit(0)
    },
  }
}

async function listen(cable: Cable, primary: Peer<PrimaryOffers>): Promise<void> {
  try {
    await cable.listen()
    primary.tell('listening', { ...cable.url })
  } catch (error) {
    cannotListen(error, primary)
  }
}

function cannotListen(error: unknown, primary: Peer<PrimaryOffers>): void {
  const { message, code, port } = error as NodeJS.ErrnoException & { port?: number }
  primary.tell('cannotListen', { message, code, port })
}

/** The part of the limits that one worker has. The primary logs the metrics of all. */
function shareOf(config: Config): Config {
  const { settings } = config
  const share = (limit: number) => Math.ceil(limit / countOf(settings.workers))
  const { max_sessions, max_unauthenticated } = settings
  const limits = { max_sessions: share(max_sessions), max_unauthenticated: share(max_unauthenticated) }
  return { ...config, settings: { ...settings, ...limits, metrics_log: false } }
}
