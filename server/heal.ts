/**
 * Healing: a page from which something may be missing is told to fetch itself again.
 *
 *   <turbo-stream action="refresh" method="morph" scroll="preserve"></turbo-stream>
 *
 * At most once per stream and session in 30 s, or a page that comes out of an HTTP cache would refresh for ever. Paced,
 * because every refresh is a request to the app, and after a restart all pages need one at the same moment.
 */

import type { Subscription } from './catch-up.ts'
import type { GapCode } from './errors.ts'
import type { History } from './history/history.ts'
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
}

export interface HealSettings {
  history: History | undefined
  now: () => number
  count: (what: GapCode | 'refresh' | 'refresh_held_back') => void
  /** `undefined`: pages are not told to refresh. */
  pace: Pace | undefined
  /** Whether pages that want to know are told why (--dev). */
  explain: boolean
}

export type Heal = (session: Patient, subscription: Subscription, code: GapCode) => void

export function createHeal({ history, now, count, pace, explain }: HealSettings): Heal {
  const last = new WeakMap<Patient, Map<string, number>>()

  return (session, subscription, code) => {
    const { identifier, grant } = subscription
    const { stream, kind, events } = grant
    const tell = (refresh: RefreshFate) => events && session.connection.send(gap(identifier, refresh, code, explain))
    count(code)
    if (kind !== 'turbo') return
    if (pace === undefined) return void tell('off')
    const healed = last.get(session) ?? new Map<string, number>()
    last.set(session, healed)
    const time = now()
    if (time - (healed.get(stream) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) {
      count('refresh_held_back')
      return void tell('held-back')
    }
    for (const [name, at] of healed) if (time - at >= AGAIN_MS) healed.delete(name)
    healed.set(stream, time)
    tell('coming')
    pace.ask({
      wanted: () => !session.ended && subscription.state !== 'over',
      run() {
        count('refresh')
        // It carries a position, so that an extended client does not come back with the one that was a gap.
        const tail = history === undefined ? PLAIN_TAIL : positionTail(stream, history)
        session.connection.send(textFrame(broadcastPrefix(identifier), REFRESH, tail))
      },
    })
  }
}
