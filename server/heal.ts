/**
 * Healing: a page from which something may be missing is told to fetch itself again.
 *
 *   <turbo-stream action="refresh" method="morph" scroll="preserve"></turbo-stream>
 *
 * At most once per stream and session in 30 s. A page that comes back where it was, out of an HTTP cache, gets no other, or
 * it would refresh for ever; one that was made anew and lacks something again gets it when the time is over. Paced, because
 * every refresh is a request to the app, and after a restart all pages need one at the same moment.
 */

import type { Subscription } from './catch-up.ts'
import type { GapCode } from './errors.ts'
import { formatPosition, type History } from './history/history.ts'
import type { Pace } from './pace.ts'
import { broadcastPrefix, PLAIN_TAIL } from './protocol/action-cable.ts'
import { positionTail } from './protocol/extended.ts'
import { textFrame } from './protocol/frame.ts'
import { gap, type RefreshFate } from './protocol/source-events.ts'

const REFRESH = Buffer.from(
  JSON.stringify('<turbo-stream action="refresh" method="morph" scroll="preserve"></turbo-stream>'),
)
const AGAIN_MS = 30_000

/** What healing needs of a session. */
export interface Patient {
  readonly ended: boolean
  readonly connection: { send: (frame: Buffer) => void }
  fail: (error: unknown) => void
}

export interface HealSettings {
  history: History | undefined
  monotonic: () => number
  /** Calls back in a while. */
  later: (ms: number, then: () => void) => void
  count: (what: GapCode | 'refresh' | 'refresh_held_back') => void
  /** `undefined`: pages are not told to refresh. */
  pace: Pace | undefined
  /** Whether pages that want to know are told why (--dev). */
  explain: boolean
}

export type Heal = (session: Patient, subscription: Subscription, code: GapCode) => void

/** The last refresh of a stream and session: when, of a page made where, and which subscription is to have the next. */
interface Healed {
  readonly at: number
  readonly place: string
  next?: Subscription
}

export function createHeal({ history, monotonic, later, count, pace, explain }: HealSettings): Heal {
  const last = new WeakMap<Patient, Map<string, Healed>>()

  return (session, subscription, code) => {
    const { identifier, grant } = subscription
    const tell = (refresh: RefreshFate) =>
      grant.events && session.connection.send(gap(identifier, refresh, code, explain))
    count(code)
    if (grant.kind !== 'turbo') return
    if (pace === undefined) return void tell('off')
    subscription.healing = grant.position !== undefined
    const healed = last.get(session) ?? new Map<string, Healed>()
    last.set(session, healed)
    const time = monotonic()
    for (const [name, { at, next }] of healed) if (time - at >= AGAIN_MS && next === undefined) healed.delete(name)
    const recent = healed.get(grant.stream)
    if (recent === undefined) {
      tell('coming')
      return refresh(session, subscription, healed, pace)
    }
    count('refresh_held_back')
    if (recent.place === placeOf(subscription)) return void tell('held-back')
    tell('coming')
    if (recent.next === undefined) {
      later(recent.at + AGAIN_MS - time, () => {
        healed.delete(grant.stream)
        if (wanted(session, recent.next!)) refresh(session, recent.next!, healed, pace)
      })
    }
    recent.next = subscription
  }

  function refresh(session: Patient, subscription: Subscription, healed: Map<string, Healed>, pace: Pace): void {
    const { identifier, grant } = subscription
    healed.set(grant.stream, { at: monotonic(), place: placeOf(subscription) })
    pace.ask({
      wanted: () => wanted(session, subscription),
      run() {
        count('refresh')
        try {
          // It carries a position, so that an extended client does not come back with the one that was a gap.
          const tail = history === undefined ? PLAIN_TAIL : positionTail(grant.stream, history)
          session.connection.send(textFrame(broadcastPrefix(identifier), REFRESH, tail))
        } catch (error) {
          session.fail(error)
        }
      },
    })
  }
}

const placeOf = ({ grant: { position } }: Subscription): string =>
  typeof position === 'object' ? formatPosition(position) : String(position)

const wanted = (session: Patient, { state }: Subscription): boolean => !session.ended && state !== 'over'
