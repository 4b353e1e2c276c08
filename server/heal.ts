/**
 * Healing: a page from which something may be missing is told to fetch itself again.
 *
 *   <turbo-stream action="refresh" method="morph" scroll="preserve"></turbo-stream>
 *
 * At most once per stream and session in 30 s. A page that comes back where it was, out of an HTTP cache, gets no other, or
 * it would refresh for ever; one that was made anew and lacks something again gets it when the time is over. Paced, because
 * every refresh is a request to the app, and after a restart all pages need one at the same moment.
 *
 *   session ─▶ due: one subscription per stream ─▶ one turn in pace.ts, and all of them are refreshed
 *
 * So a live session has at most one turn there, and an ended one has none.
 */

import type { GapCode } from './errors.ts'
import { formatPosition, type History } from './history/history.ts'
import type { Pace } from './pace.ts'
import { broadcastPrefix, PLAIN_TAIL } from './protocol/action-cable.ts'
import { positionTail } from './protocol/extended.ts'
import { textFrame } from './protocol/frame.ts'
import { gap, type RefreshFate } from './protocol/source-events.ts'
import type { Subscription } from './subscriptions.ts'

const REFRESH = Buffer.from(
  JSON.stringify('<turbo-stream action="refresh" method="morph" scroll="preserve"></turbo-stream>'),
)
const AGAIN_MS = 30_000

/** What healing needs of a session. */
export interface Patient {
  readonly identity: string
  /** Whether the identity is only the sid it had (--noauth). */
  readonly anonymous: boolean
  readonly connection: { send: (frame: Buffer) => void }
  fail: (error: unknown) => void
}

export interface HealSettings {
  history: History | undefined
  monotonic: () => number
  /** Calls back in a while, unless cancelled by what it returns. */
  later: (ms: number, then: () => void) => () => void
  count: (what: GapCode | 'refresh' | 'refresh_held_back') => void
  /** `undefined`: pages are not told to refresh. */
  pace: Pace | undefined
  /** How many streams of a session are remembered. */
  maxStreams: number
  /** Whether pages that want to know are told why (--dev). */
  explain: boolean
}

export interface Heal {
  /** Something may be missing from a stream that this session listens to: its page is told to refresh. */
  missed: (session: Patient, subscription: Subscription, code: GapCode) => void
  /** Takes back the turn and the timers of a session that has ended. */
  left: (session: Patient) => void
}

/** The last refresh of a stream and session: when, of a page made where, and which subscription is to have the next. */
interface Healed {
  readonly at: number
  readonly place: string
  next?: Subscription
  cancel?: () => void
}

/** What was done for a session, and what waits. */
interface Ward {
  /** By stream, the oldest first. */
  readonly healed: Map<string, Healed>
  /** By stream: what the session's turn refreshes. */
  readonly due: Map<string, Subscription>
  hasTurn: boolean
  takeTurnBack: () => void
}

/** All sessions without a token share this line, so that a client that opens many does not get many turns. */
const ANONYMOUS = ''

export function createHeal(settings: HealSettings): Heal {
  const { history, monotonic, later, count, pace, maxStreams, explain } = settings
  const wards = new WeakMap<Patient, Ward>()

  function missed(session: Patient, subscription: Subscription, code: GapCode): void {
    const { identifier, grant } = subscription
    const tell = (refresh: RefreshFate) =>
      grant.events && session.connection.send(gap(identifier, refresh, code, explain))
    count(code)
    if (grant.kind !== 'turbo') return
    if (pace === undefined) return void tell('off')
    subscription.healing = grant.position !== undefined
    const ward = wards.get(session) ?? { healed: new Map(), due: new Map(), hasTurn: false, takeTurnBack() {} }
    wards.set(session, ward)
    const time = monotonic()
    forgetOld(ward.healed, time)
    const recent = ward.healed.get(grant.stream)
    if (recent === undefined) {
      tell('coming')
      return refresh(session, subscription, ward, pace)
    }
    count('refresh_held_back')
    if (recent.place === placeOf(subscription)) return void tell('held-back')
    tell('coming')
    if (recent.next === undefined) {
      recent.cancel = later(recent.at + AGAIN_MS - time, () => {
        ward.healed.delete(grant.stream)
        if (isWanted(recent.next!)) refresh(session, recent.next!, ward, pace)
      })
    }
    recent.next = subscription
  }

  function refresh(session: Patient, subscription: Subscription, ward: Ward, pace: Pace): void {
    const { stream } = subscription.grant
    bound(ward, maxStreams)
    ward.healed.set(stream, { at: monotonic(), place: placeOf(subscription) })
    ward.due.set(stream, subscription)
    if (ward.hasTurn) return
    ward.hasTurn = true
    ward.takeTurnBack = pace.ask(session.anonymous ? ANONYMOUS : session.identity, () => {
      ward.hasTurn = false
      const due = [...ward.due.values()].filter(isWanted)
      ward.due.clear()
      if (due.length > 0) count('refresh')
      try {
        for (const one of due) send(session, one)
      } catch (error) {
        session.fail(error)
      }
      return due.length > 0
    })
  }

  function send(session: Patient, { identifier, grant }: Subscription): void {
    // It carries a position, so that an extended client does not come back with the one that was a gap.
    const tail = history === undefined ? PLAIN_TAIL : positionTail(grant.stream, history)
    session.connection.send(textFrame(broadcastPrefix(identifier), REFRESH, tail))
  }

  return {
    missed,
    left(session) {
      const ward = wards.get(session)
      if (ward === undefined) return
      wards.delete(session)
      ward.takeTurnBack()
      for (const { cancel } of ward.healed.values()) cancel?.()
    },
  }
}

function forgetOld(healed: Map<string, Healed>, time: number): void {
  for (const [stream, { at, next }] of healed) {
    if (time - at < AGAIN_MS) return
    if (next === undefined) healed.delete(stream)
  }
}

/** A client that comes and goes on ever new streams must not fill the memory. */
function bound({ healed, due }: Ward, maxStreams: number): void {
  for (const [stream, { cancel }] of healed) {
    if (healed.size < maxStreams) break
    cancel?.()
    healed.delete(stream)
  }
  if (due.size < maxStreams) return
  for (const [stream, subscription] of due) if (!isWanted(subscription)) due.delete(stream)
}

const placeOf = ({ grant: { position } }: Subscription): string =>
  typeof position === 'object' ? formatPosition(position) : String(position)

/** (A session that ends leaves all of its subscriptions, so these are over as well.) */
const isWanted = ({ state }: Subscription): boolean => state !== 'over'
