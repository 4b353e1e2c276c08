/**
 * Healing: the cable asks a page that may have missed something to refresh.
 *
 *   <turbo-stream action="refresh" method="morph" scroll="preserve" data-hotcable="heal"></turbo-stream>
 *
 * The attribute tells the page that this refresh is not one of its app's. We ask at most once in 30 s for each stream of a
 * session. We do not ask a page again that returns with the same position (from an HTTP cache), or it would refresh for
 * ever; a page that was rendered again and has another gap waits until the 30 s are over. pace.ts spreads refreshes,
 * because each is a request to the app, and after a restart all pages need one at once.
 *
 *   session ─▶ due: one subscription per stream ─▶ one turn in pace.ts, which refreshes all of them
 *
 * So a live session has at most one turn for refreshes in pace.ts, and an ended one has none. ask-back.ts handles clients
 * without a page.
 */

import type { GapCode } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import { broadcastPrefix, type RefreshFate } from '../protocol/action-cable.ts'
import { textFrame } from '../protocol/frame.ts'
import { payloadOf, storedPayload } from '../protocol/payload.ts'
import { formatPosition, type Position } from '../protocol/position.ts'
import { gap } from '../protocol/source-events.ts'
import { createAskBack } from './ask-back.ts'
import type { Pace } from './pace.ts'
import { type Healable, isWanted, ownerOf, type Patient } from './patient.ts'

const REFRESH = JSON.stringify(
  '<turbo-stream action="refresh" method="morph" scroll="preserve" data-hotcable="heal"></turbo-stream>',
)
const AGAIN_MS = 30_000

export interface HealSettings {
  /** The history's present position; `undefined`: the cable keeps none. */
  position: () => Position | undefined
  monotonic: () => number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  count: (code: GapCode) => void
  metrics: Pick<Metrics, 'refreshes_total' | 'refreshes_held_back_total'>
  /** `undefined`: the cable asks no page to refresh. */
  pace: Pace | undefined
  /** How many streams we remember for each session. */
  maxStreams: number
  /** Whether to tell pages that ask for it the reason (--dev). */
  explain: boolean
}

export interface Heal {
  /** The action that {@link missed} would take on a gap; `undefined` if the subscription is not Turbo's. */
  fate: (session: Patient, subscription: Healable) => RefreshFate | undefined
  /**
   * Asks the session's page to refresh, or its client to come back, because it may have missed messages of this
   * subscription. `isTold`: the client got `reject_history`.
   */
  missed: (session: Patient, subscription: Healable, code: GapCode, isTold: boolean) => void
  /** Takes back the turn and the timers of a session that has ended. */
  left: (session: Patient) => void
}

/** The last refresh of a session's stream: when, the page's position, and the subscription that gets the next one. */
interface Healed {
  readonly at: number
  readonly place: string
  next?: Healable
  cancel?: () => void
}

/** A session's past refreshes, and those that wait for its turn. */
interface SessionRefreshes {
  /** By stream, the oldest first. */
  readonly healed: Map<string, Healed>
  /** By stream: the subscriptions that the session's turn refreshes. */
  readonly due: Map<string, Healable>
  hasTurn: boolean
  takeTurnBack: () => void
}

export function createHeal(settings: HealSettings): Heal {
  const { position, monotonic, later, count, metrics, pace, maxStreams, explain } = settings
  const bySession = new WeakMap<Patient, SessionRefreshes>()
  const askBack = createAskBack({ pace, later })

  function fate(session: Patient, subscription: Healable): RefreshFate | undefined {
    if (subscription.grant.kind !== 'turbo') return undefined
    if (pace === undefined) return 'off'
    const recent = bySession.get(session)?.healed.get(streamOf(subscription))
    const isOver = recent === undefined || (recent.next === undefined && monotonic() - recent.at >= AGAIN_MS)
    return !isOver && recent.place === placeOf(subscription) ? 'held-back' : 'coming'
  }

  function missed(session: Patient, subscription: Healable, code: GapCode, isTold: boolean): void {
    const { identifier, grant } = subscription
    const tell = (refresh: RefreshFate) =>
      grant.events && session.connection.send(gap(identifier, refresh, code, explain))
    count(code)
    if (grant.kind === 'data' && !isTold) return askBack.missed(session, subscription)
    if (grant.kind !== 'turbo') return
    if (pace === undefined) return void tell('off')
    subscription.healing = grant.position !== undefined
    const refreshes = bySession.get(session) ?? { healed: new Map(), due: new Map(), hasTurn: false, takeTurnBack() {} }
    bySession.set(session, refreshes)
    const time = monotonic()
    forgetOld(refreshes.healed, time)
    const stream = streamOf(subscription)
    const recent = refreshes.healed.get(stream)
    if (recent === undefined) {
      tell('coming')
      return refresh(session, subscription, refreshes, pace)
    }
    metrics.refreshes_held_back_total++
    // A page from a cache lacks what it lacked before. Messages that the broker lost since our request are new to it.
    const isNew = code === 'gap_broker_away' && !refreshes.due.has(stream)
    if (recent.place === placeOf(subscription) && !isNew) return void tell('held-back')
    tell('coming')
    if (recent.next === undefined) {
      recent.cancel = later(recent.at + AGAIN_MS - time, () => {
        refreshes.healed.delete(stream)
        if (isWanted(recent.next!)) refresh(session, recent.next!, refreshes, pace)
      })
    }
    recent.next = subscription
  }

  function refresh(session: Patient, subscription: Healable, refreshes: SessionRefreshes, pace: Pace): void {
    const stream = streamOf(subscription)
    bound(refreshes, maxStreams)
    refreshes.healed.set(stream, { at: monotonic(), place: placeOf(subscription) })
    refreshes.due.set(stream, subscription)
    if (refreshes.hasTurn) return
    refreshes.hasTurn = true
    refreshes.takeTurnBack = pace.ask(ownerOf(session), () => {
      refreshes.hasTurn = false
      const due = [...refreshes.due.values()].filter(isWanted)
      refreshes.due.clear()
      if (due.length > 0) metrics.refreshes_total++
      try {
        for (const one of due) send(session, one)
      } catch (error) {
        session.fail(error)
      }
      return due.length > 0
    })
  }

  function send(session: Patient, due: Healable): void {
    // With this position an extended client does not resume from the one that was a gap.
    const now = position()
    const payload = now === undefined ? payloadOf(REFRESH) : storedPayload(REFRESH, streamOf(due), now)
    session.connection.send(textFrame(broadcastPrefix(due.identifier), payload))
  }

  return {
    fate,
    missed,
    left(session) {
      askBack.left(session)
      const refreshes = bySession.get(session)
      if (refreshes === undefined) return
      bySession.delete(session)
      refreshes.takeTurnBack()
      for (const { cancel } of refreshes.healed.values()) cancel?.()
    },
  }
}

function forgetOld(healed: Map<string, Healed>, time: number): void {
  for (const [stream, { at, next }] of healed) {
    if (time - at < AGAIN_MS) return
    if (next === undefined) healed.delete(stream)
  }
}

/** Bounds the memory of a client that subscribes to ever new streams. */
function bound({ healed, due }: SessionRefreshes, maxStreams: number): void {
  for (const [stream, { cancel }] of healed) {
    if (healed.size < maxStreams) break
    cancel?.()
    healed.delete(stream)
  }
  if (due.size < maxStreams) return
  for (const [stream, subscription] of due) if (!isWanted(subscription)) due.delete(stream)
}

/** The stream that stands for all of a subscription: one refresh heals the whole page. */
const streamOf = ({ grant: { streams } }: Healable): string => streams[0] ?? ''

const placeOf = ({ grant: { position } }: Healable): string =>
  typeof position === 'object' ? formatPosition(position) : String(position)
