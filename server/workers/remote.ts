/**
 * What a worker has of the primary: a broker, presence, lost sessions, the pace of refreshes and the ways in for broadcasts,
 * each of which asks the primary.
 */
import type { WayIn, WayInParts } from '../broadcast/way-in.ts'
import { type Broker, BrokerUnavailable, type Feed } from '../broker.ts'
import type { Job, Pace } from '../heal/pace.ts'
import type { Presence } from '../presence/presence.ts'
import type { Resumables } from '../session/resumables.ts'
import type { Wraps } from '../session/stores.ts'
import type { PrimaryOffers, PrimaryState, WorkerOffers } from './offers.ts'
import type { Peer } from './peer.ts'

/** Bytes that may wait for the primary. */
const MAX_WAITING = 64 << 20
/** A primary that reads nothing is as good as gone. What no broker refuses, such as the end of a session, may wait so far. */
const MOST_WAITING = 2 * MAX_WAITING
/** Ticks in a row that we expected and did not get, after which the primary counts as away. */
const MOST_MISSED = 5

export interface Remote {
  readonly wraps: Wraps
  readonly pace: Pace
  readonly waysIn: (parts: Pick<WayInParts, 'lost'>) => WayIn
  readonly offers: Pick<WorkerOffers, 'tick' | 'entry' | 'seen' | 'live' | 'gap' | 'signal' | 'turn'>
  /** Call it once a second. */
  missTick: () => void
}

export interface RemoteParts {
  primary: Peer<PrimaryOffers>
  state: PrimaryState
  /** Ends this worker: the primary reads nothing. */
  gone: () => void
}

export function createRemote({ primary, state, gone }: RemoteParts): Remote {
  const { tell } = primary
  let { seen } = state
  let feed: Feed
  /** Ends all sessions. */
  let lost = () => {}
  let missed = 0
  const jobs = new Map<number, Job>()
  let lastTurn = 0

  const isWell = () => missed < MOST_MISSED && primary.waiting < MAX_WAITING
  const ask: typeof primary.ask = (name, ...args) =>
    isWell() ? primary.ask(name, ...args) : Promise.reject(new BrokerUnavailable('the primary does not answer'))

  const broker: Broker = {
    epoch: state.epoch,
    get seen() {
      return seen
    },
    get well() {
      return isWell()
    },
    position: () => ask('position'),
    publish: async publications => {
      const isPublished = await ask('publish', publications)
      return publications.filter((_, at) => isPublished[at])
    },
    after: (stream, from) => ask('after', stream, from),
    since: (stream, seconds) => ask('since', stream, seconds),
    listen: stream => ask('listen', stream),
    unlisten: stream => tell('unlisten', stream),
    tell: (stream, live) => tell('live', stream, live) as undefined,
    signal: signal => ask('signal', signal),
    forget: lost => ask('forget', lost),
    start(to) {
      feed = to
    },
  }
  const presence: Presence = {
    join: (stream, sid, id, info) => ask('join', stream, sid, id, info),
    leave: (stream, sid) => tell('leave', stream, sid),
    lost: sid => tell('lost', sid),
    present: (stream, maxBytes) => ask('present', stream, maxBytes),
  }
  const resumables: Resumables = {
    keep: snapshot => tell('keepSession', snapshot),
    take: (sid, caller) => ask('takeSession', sid, caller),
    forget: identity => ask('forgetSessions', identity),
    connected: {
      batchMs: 1,
      add: snapshot => tell('addSession', snapshot),
      update: snapshot => tell('updateSession', snapshot),
      delete: sid => tell('deleteSession', sid),
    },
  }

  return {
    wraps: { wrapBroker: () => broker, wrapPresence: () => presence, wrapResumables: () => resumables },
    pace: {
      ask(owner, job) {
        const turn = ++lastTurn
        jobs.set(turn, job)
        tell('wantTurn', turn, owner)
        return () => {
          if (jobs.delete(turn)) tell('leaveTurn', turn)
        }
      },
      get waiting() {
        return jobs.size
      },
    },
    waysIn(parts) {
      lost = parts.lost
      return {
        get closed() {
          return state.closed
        },
        get conditions() {
          return state.conditions
        },
        start: async () => {},
        stop: async () => {},
      }
    },
    offers: {
      tick(now) {
        missed = 0
        seen = now.seen
        const wasOpen = state.closed === undefined
        state = now
        if (wasOpen && now.closed !== undefined) lost()
        tell('alive')
      },
      entry(entry) {
        seen = entry.offset
        feed.entry(entry)
      },
      seen(offset) {
        seen = offset
      },
      live: (stream, live) => feed.live(stream, live),
      gap(streams, offset) {
        seen = offset
        feed.gap(streams)
      },
      signal: signal => feed.signal(signal),
      turn(turn) {
        const job = jobs.get(turn)
        jobs.delete(turn)
        job?.()
      },
    },
    missTick() {
      missed++
      if (primary.waiting > MOST_WAITING) gone()
    },
  }
}
