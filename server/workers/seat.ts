/**
 * What the primary keeps for its workers, and a worker's seat: its way to that.
 *
 *   worker ─▶ seat ─▶ broker ─▶ feed ─▶ the workers that listen ─▶ their hubs
 *
 * We encode a message once, however many workers get it.
 */
import { soon } from '../base/soon.ts'
import type { WayIn } from '../broadcast/way-in.ts'
import { BrokerUnavailable, type Entry, type Feed, type Live, type Signal } from '../broker.ts'
import type { Pace } from '../heal/pace.ts'
import type { Stores } from '../session/stores.ts'
import type { Found, PrimaryOffers, PrimaryState, WorkerOffers } from './offers.ts'
import { encodeTold, type Peer } from './peer.ts'
import { SharedSessions } from './shared-sessions.ts'

/** Bytes that may wait for one worker. */
const MAX_WAITING = 64 << 20
/** Bytes of the messages of one answer. No client may have as many in its queue. */
const MAX_ANSWER = 32 << 20
/** While more bytes wait for a worker, its replays ask again later, and it gets no members: many clients may come back at once. */
const MAX_WAITING_TO_ANSWER = 8 << 20

/** After this time each worker knows the newest offset. */
const SEEN_MS = 50

/** A worker that is connected. */
export interface Seat {
  readonly peer: Peer<WorkerOffers>
  readonly kill: () => void
  /** The worker is gone. */
  left: () => void
}

/** What the stores do for a worker. */
export type StoreOffers = Omit<PrimaryOffers, 'stats' | 'streams' | 'metrics' | 'listening' | 'cannotListen' | 'alive'>

export interface SeatsParts {
  stores: Pick<Stores, 'broker' | 'presence' | 'memory'>
  /** `undefined`: the cable asks no page to refresh. */
  pace: Pace | undefined
  /** Calls `then` after so many ms. */
  later: (ms: number, then: () => void) => void
}

export interface Seats {
  /** A worker is here: `connect` makes the way to it, and `kill` ends it if it reads too slowly. */
  add: (connect: (offers: StoreOffers) => Peer<WorkerOffers>, kill: () => void) => Seat
  /** Tells every worker. Resolves with how many sessions that ended. */
  signal: (signal: Signal) => Promise<number>
  /** Forgets the sessions of an identity. */
  forgetSessions: (identity: string) => void
  readonly state: PrimaryState
  /** The ways in for broadcasts, once they are known. */
  waysIn: Pick<WayIn, 'closed' | 'conditions'>
}

export function createSeats({ stores: { broker, presence, memory }, pace, later }: SeatsParts): Seats {
  const seats = new Set<Seat>()
  /** Which workers listen to a stream. */
  const listeners = new Map<string, Set<Seat>>()
  const sessions = new SharedSessions(memory.resumables)

  const tellAll = (to: Iterable<Seat>, name: keyof WorkerOffers, ...args: unknown[]) => {
    const frame = encodeTold(name, args)
    for (const { peer, kill } of to) {
      if (peer.waiting > MAX_WAITING) kill()
      else peer.write(frame)
    }
  }
  const tellListeners = (stream: string, name: 'entry' | 'live', ...args: unknown[]) => {
    const to = listeners.get(stream)
    if (to !== undefined) tellAll(to, name, ...args)
  }
  const signal = async (signal: Signal): Promise<number> => {
    const ended = [...seats].map(({ peer }) => peer.ask('signal', signal).catch(() => 0)) // (a dead worker ended none)
    return (await Promise.all(ended)).reduce((sum, count) => sum + count, 0)
  }
  /** A worker does not get the messages of all streams. A client that comes now shall not get one of a second ago as new. */
  const tellSeenSoon = () => {
    if (isSeenDue) return
    isSeenDue = true
    later(SEEN_MS, () => {
      isSeenDue = false
      tellAll(seats, 'seen', broker.seen)
    })
  }
  let isSeenDue = false
  const feed: Feed = {
    entry(entry) {
      tellListeners(entry.stream, 'entry', plain(entry))
      tellSeenSoon()
    },
    live: (stream, live) => tellListeners(stream, 'live', stream, live),
    signal: () => 0, // (the primary has no sessions; it asks the workers)
    gap: streams => tellAll(seats, 'gap', streams, broker.seen),
  }
  void broker.start(feed)

  const listen = (stream: string, seat: Seat) => {
    const to = listeners.get(stream) ?? new Set()
    listeners.set(stream, to.add(seat))
    return broker.seen
  }
  const unlisten = (stream: string, seat: Seat) => {
    const to = listeners.get(stream)
    if (to?.delete(seat) && to.size === 0) listeners.delete(stream)
  }

  return {
    waysIn: { closed: undefined, conditions: [] },
    get state() {
      const { closed, conditions } = this.waysIn
      return { epoch: broker.epoch, seen: broker.seen, closed, conditions }
    },
    signal,
    forgetSessions: identity => sessions.forget(identity),
    add(connect, kill) {
      /** The sids that joined a stream. */
      const joined = new Set<string>()
      const turns = new Map<number, () => void>()
      const isBusy = () => seat.peer.waiting > MAX_WAITING_TO_ANSWER
      const refuseIfBusy = () => {
        if (isBusy()) throw new BrokerUnavailable('the worker has much to read')
      }
      const offers: StoreOffers = {
        position: () => broker.position(),
        publish: publications =>
          soon(broker.publish(publications), done => publications.map(one => done.includes(one))),
        after(stream, from) {
          refuseIfBusy()
          return soon(broker.after(stream, from), answerable)
        },
        since(stream, seconds) {
          refuseIfBusy()
          return soon(broker.since(stream, seconds), newest)
        },
        listen: stream => listen(stream, seat),
        unlisten: stream => unlisten(stream, seat),
        live: (stream: string, live: Live) => void broker.tell(stream, live),
        signal,
        forget: lost => broker.forget(lost),
        join(stream, sid, id, info) {
          joined.add(sid)
          return presence!.join(stream, sid, id, info)
        },
        leave: (stream, sid) => void presence?.leave(stream, sid),
        lost(sid) {
          if (joined.delete(sid)) void presence?.lost(sid)
        },
        present: (stream, maxBytes) => presence!.present(stream, isBusy() ? 0 : maxBytes),
        addSession: snapshot => sessions.add(seat, snapshot),
        updateSession: snapshot => sessions.update(seat, snapshot),
        keepSession: snapshot => sessions.keep(seat, snapshot),
        deleteSession: sid => sessions.delete(sid),
        takeSession: (sid, caller) => sessions.take(sid, caller),
        forgetSessions: identity => sessions.forget(identity),
        wantTurn(turn, owner) {
          let waits = true
          const takeBack = pace!.ask(owner, () => {
            waits = false
            turns.delete(turn)
            seat.peer.tell('turn', turn)
            return true
          })
          if (waits) turns.set(turn, takeBack)
        },
        leaveTurn(turn) {
          turns.get(turn)?.()
          turns.delete(turn)
        },
      }
      const seat: Seat = {
        peer: connect(offers),
        kill,
        left() {
          seats.delete(seat)
          for (const stream of [...listeners.keys()]) unlisten(stream, seat)
          sessions.left(seat)
          for (const sid of joined) void presence?.lost(sid)
          for (const takeBack of turns.values()) takeBack()
        },
      }
      seats.add(seat)
      return seat
    },
  }
}

/** An answer that is too large becomes a gap: its page refreshes. */
const answerable = (found: Found): Found => {
  if (found === 'gap') return found
  const kept = newest(found)
  return kept.length < found.length ? 'gap' : kept
}

/** Returns the newest entries, as many as an answer may have. */
function newest(entries: readonly Entry[]): readonly Entry[] {
  let size = 0
  let first = entries.length
  while (first > 0 && size < MAX_ANSWER) size += entries[--first]!.message.length
  return entries.slice(first).map(plain)
}

/** (The history's own entries lead to all others.) */
const plain = ({ stream, offset, message, exclude, type }: Entry): Entry => ({ stream, offset, message, exclude, type })
