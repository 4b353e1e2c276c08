/**
 * Asking back: a client of the extended protocol that may have missed messages of a subscription without a page.
 *
 *   gap ─▶ one turn in pace.ts ─▶ reject_history for each subscription, disconnect ─▶ the client connects again
 *
 * There is no page to refresh. The client learns from `reject_history` that it must fetch its content again, and the new
 * connection is not resumed, so it also asks for its history. Each takes requests to the app, so clients take turns.
 */
import { rejectHistory } from '../protocol/extended.ts'
import type { Pace } from './pace.ts'
import { type Healable, isWanted, ownerOf, type Patient } from './patient.ts'

export interface AskBack {
  /** The client may have missed messages of this subscription. */
  missed: (session: Patient, subscription: Healable) => void
  /** Takes back the turn of a session that has ended. */
  left: (session: Patient) => void
}

export interface AskBackParts {
  /** `undefined`: the cable asks no client. */
  pace: Pace | undefined
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
}

/** A session's subscriptions that wait for its turn. */
interface Due {
  readonly subscriptions: Set<Healable>
  takeTurnBack: () => void
}

export function createAskBack({ pace, later }: AskBackParts): AskBack {
  const bySession = new WeakMap<Patient, Due>()

  function run(session: Patient, { subscriptions }: Due): boolean {
    bySession.delete(session)
    const due = [...subscriptions].filter(isWanted)
    if (due.length === 0) return false
    try {
      for (const { identifier } of due) session.connection.send(rejectHistory(identifier))
      session.askBack()
    } catch (error) {
      session.fail(error)
    }
    return true
  }

  return {
    missed(session, subscription) {
      if (!session.resumable) return
      // The client must not resume the session as if it had missed nothing.
      subscription.healing = true
      if (pace === undefined) return
      const known = bySession.get(session)
      if (known !== undefined) return void known.subscriptions.add(subscription)
      const due: Due = { subscriptions: new Set([subscription]), takeTurnBack() {} }
      bySession.set(session, due)
      // (One gap may concern several subscriptions of the session.)
      due.takeTurnBack = later(0, () => {
        due.takeTurnBack = pace.ask(ownerOf(session), () => run(session, due))
      })
    },
    left(session) {
      bySession.get(session)?.takeTurnBack()
      bySession.delete(session)
    },
  }
}
