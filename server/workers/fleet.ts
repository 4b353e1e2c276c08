/**
 * The processes of the workers: the primary starts them, ends those that hang, and replaces those that die.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { ReportFailure } from '../base/failure.ts'
import type { Log } from '../log.ts'
import type { PrimaryOffers, PrimaryState, Urls, WorkerOffers } from './offers.ts'
import { createPeer } from './peer.ts'
import type { Seat, StoreOffers } from './seat.ts'
import { PIPE } from './worker.ts'

export interface FleetParts {
  count: number
  /** Makes the seat of a new worker. */
  seat: (connect: (offers: StoreOffers) => Seat['peer'], kill: () => void) => Seat
  state: () => PrimaryState
  numbers: Pick<PrimaryOffers, 'stats' | 'streams' | 'metrics'>
  /** A worker is gone. */
  left: (worker: number) => void
  /** A worker serves again after none did: backends may have given up broadcasts. */
  returned: () => void
  failed: ReportFailure
  log: Log
}

export interface Fleet {
  /** Resolves once every worker has the ports; rejects if one cannot have them. */
  start: () => Promise<Urls>
  /** Tells every worker the state. */
  tick: () => void
  /** By number. */
  readonly workers: ReadonlyMap<number, Seat>
  /** Counts workers that died and were replaced. */
  readonly replaced: number
  /** Stops every worker; kills those that are left after so many ms. */
  stop: (timeoutMs: number) => Promise<void>
}

/** Ticks in a row that a worker may leave without an answer. */
const MOST_UNANSWERED = 10
/** So many more may pass while it starts: on a machine without a free core that takes more than a minute. */
const TICKS_TO_START = 290
/** A worker that lives for a shorter time makes the next one wait longer. */
const SHORT_LIFE_MS = 10_000
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 30_000

interface Member {
  readonly seat: Seat
  readonly process: Worker
  unanswered: number
}

export function createFleet({ count, seat: newSeat, state, numbers, left, returned, failed, log }: FleetParts): Fleet {
  const members = new Map<number, Member>()
  let replaced = 0
  let isStarted = false
  let isStopping = false
  const { promise: started, resolve: ready, reject: broken } = Promise.withResolvers<Urls>()
  const listening = new Set<number>()
  // Else the primary accepts connections, and those on their way to a worker that dies stay open without an answer.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  // The last of these is the pipe.
  cluster.setupPrimary({ stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] })

  function fork(worker: number, waitMs: number): void {
    const born = performance.now()
    const process = cluster.fork()
    const kill = () => {
      if (process.process.killed) return
      log.warn({ worker, pid: process.process.pid }, 'the worker is killed: it has not read for too long')
      process.process.kill('SIGKILL')
    }
    const connect = (offers: StoreOffers) =>
      createPeer<PrimaryOffers, WorkerOffers>(process.process.stdio[PIPE] as Duplex, {
        offers: {
          ...offers,
          ...numbers,
          alive() {},
          listening(urls) {
            if (isStarted && listening.size === 0) returned()
            listening.add(worker)
            log.info({ worker, pid: process.process.pid }, 'a worker serves clients')
            if (listening.size === count) ready(urls)
          },
          cannotListen(why) {
            if (!isStarted) return broken(Object.assign(new Error(), why))
            log.error({ worker, code: why.code }, `a worker cannot listen: ${why.message}`)
            process.process.kill('SIGKILL')
          },
        },
        heard() {
          member.unanswered = 0
        },
        closed() {
          seat.left()
          left(worker)
        },
        failed,
      })
    const seat = newSeat(connect, kill)
    const member: Member = { seat, process, unanswered: -TICKS_TO_START }
    members.set(worker, member)
    seat.peer.tell('begin', worker, state())
    process.once('exit', (code, signal) => {
      members.delete(worker)
      listening.delete(worker)
      if (isStopping) return
      if (!isStarted) return broken(new Error(`worker ${worker} ended at its start: ${signal ?? `code ${code}`}`))
      const isShort = performance.now() - born < SHORT_LIFE_MS
      const wait = isShort ? Math.min(2 * waitMs, LONGEST_WAIT_MS) : FIRST_WAIT_MS
      log.error(
        { worker, ended: signal ?? code, wait_ms: wait },
        'a worker ended unexpectedly: another takes its place',
      )
      replaced++
      setTimeout(() => {
        if (!isStopping) fork(worker, wait)
      }, wait)
    })
  }

  return {
    get workers() {
      return new Map(Array.from(members, ([worker, { seat }]) => [worker, seat]))
    },
    get replaced() {
      return replaced
    },
    async start() {
      for (let worker = 1; worker <= count; worker++) fork(worker, FIRST_WAIT_MS / 2)
      const urls = await started
      isStarted = true
      return urls
    },
    tick() {
      const now = state()
      for (const member of members.values()) {
        if (member.unanswered++ >= MOST_UNANSWERED) member.seat.kill()
        member.seat.peer.tell('tick', now)
      }
    },
    async stop(timeoutMs) {
      isStopping = true
      const ends = Array.from(members.values(), ({ process, seat }) => {
        seat.peer.tell('stop')
        return once(process, 'exit')
      })
      const deadline = setTimeout(() => {
        for (const { process } of members.values()) process.process.kill('SIGKILL')
      }, timeoutMs)
      await Promise.all(ends)
      clearTimeout(deadline)
    },
  }
}
