/**
 * The app's permission to listen to a stream (--subscribe_url).
 *
 *   permit ─▶ remembered until its time? ─▶ granted
 *          ╰▶ the app ─▶ allowed ─▶ granted      refused ─▶ rejected      no answer within 8 s ─▶ the client comes again
 *
 *   an open subscription, some seconds before the time ─▶ the app again ─▶ goes on, or its session ends
 *
 * A session that ends makes its client connect and ask again: only an answer to a subscribe is a rejection for all clients.
 */
import { type AtTime, atTime } from '../base/clocks.ts'
import type { Soon } from '../base/soon.ts'
import { type EndingCode, SessionRefused, SubscriptionRejected } from '../errors.ts'
import type { Answer, Question } from './ask-app.ts'
import { Permissions } from './permissions.ts'
import { AnswerMissing, type Caller, keyOf, type QuestionParts, Questions } from './questions.ts'

/** A session with an open subscription. */
export interface Holder {
  disconnect: (code: EndingCode) => void
}

/** The permission of one subscription. */
export interface Permit {
  /** Watches the permission for an open subscription, until {@link release}. */
  hold: (holder: Holder) => void
  release: () => void
}

export interface Authority {
  /**
   * Throws, or rejects with, {@link SubscriptionRejected}; {@link SessionRefused} if the app does not answer. `waitedMs`: how long
   * the client has waited already.
   */
  permit: (question: Question, caller: Caller, waitedMs: number) => Soon<Permit>
  /** Forgets what the app said about an identity that is disconnected on purpose. */
  forget: (identity: string) => void
  expire: () => void
  stop: () => void
  /** Questions without an answer. */
  readonly pending: number
}

export type AuthorityParts = Omit<QuestionParts, 'answered'> & AtTime

/** Both clients of Action Cable wait longer for an answer. */
const PATIENCE_MS = 8_000
/** So that the clients of an app that is away do not all come again at once, some wait less. */
const SPREAD_MS = 2_000
/** The longest time before the end of a permission at which we ask again. */
const LEAD_MS = 10_000
/** Bytes of permissions that we remember. */
const MAX_BYTES = 16 << 20

/** What open subscriptions to one stream have in common, for one identity. */
interface Watch {
  readonly question: Question
  readonly permits: Map<Permit, Holder>
  /** Whether none of them is open any more. */
  ended: boolean
  until: number
  cancel: () => void
}

export function createAuthority(parts: AuthorityParts): Authority {
  const { wall, later, random } = parts
  const permissions = new Permissions(MAX_BYTES)
  const watches = new Map<string, Watch>()
  const questions = new Questions({
    ...parts,
    answered({ identity, stream }, answer) {
      if (answer.allowed && answer.until !== undefined) permissions.set(identity, stream, answer.until)
      else permissions.delete(identity, stream)
    },
  })

  function permitOf(question: Question, answer: Answer): Permit {
    if (!answer.allowed) throw new SubscriptionRejected('stream_refused')
    const { until } = answer
    const permit: Permit = {
      hold: holder => until !== undefined && watch(question, until).permits.set(permit, holder),
      release: () => unwatch(question, permit),
    }
    return permit
  }

  function watch(question: Question, until: number): Watch {
    const key = keyOf(question)
    let watch = watches.get(key)
    if (watch === undefined) {
      watch = { question, permits: new Map(), ended: false, until: 0, cancel: () => {} }
      watches.set(key, watch)
    }
    extend(watch, until)
    return watch
  }

  function unwatch(question: Question, permit: Permit): void {
    const key = keyOf(question)
    const watch = watches.get(key)
    if (!watch?.permits.delete(permit) || watch.permits.size > 0) return
    watch.ended = true
    watch.cancel()
    watches.delete(key)
  }

  /** (An app that gives the same time again wants no other question before it.) */
  function extend(watch: Watch, until: number): void {
    if (until === watch.until) return
    watch.until = until
    watch.cancel()
    const leftMs = until * 1000 - wall()
    const leadMs = Math.min(LEAD_MS, leftMs / 2) * (0.5 + random() / 2)
    watch.cancel = atTime(until - leadMs / 1000, () => renew(watch), { wall, later })
  }

  function renew(watch: Watch): void {
    watch.cancel = atTime(watch.until, () => end(watch), { wall, later })
    const renewed = (answer: Answer) => {
      if (watches.get(keyOf(watch.question)) !== watch) return
      if (!answer.allowed) end(watch)
      else if (answer.until !== undefined) extend(watch, answer.until)
      else {
        watch.cancel()
        watches.delete(keyOf(watch.question))
      }
    }
    // (Without an answer the permission ends at its time.)
    questions.ask(watch.question, watch, Math.max(0, watch.until * 1000 - wall())).then(renewed, () => {})
  }

  function end(watch: Watch): void {
    for (const holder of new Set(watch.permits.values())) holder.disconnect('permission_ended')
  }

  return {
    permit(question, caller, waitedMs) {
      const until = permissions.until(question.identity, question.stream, wall() / 1000)
      if (until !== undefined) return permitOf(question, { allowed: true, until })
      const patienceMs = PATIENCE_MS - random() * SPREAD_MS
      return questions.ask(question, caller, Math.max(0, patienceMs - waitedMs)).then(
        answer => permitOf(question, answer),
        cause => {
          if (!(cause instanceof AnswerMissing)) throw cause
          throw new SessionRefused('subscribe_unavailable', { cause })
        },
      )
    },
    forget(identity) {
      permissions.forget(identity)
      questions.forget(identity)
    },
    expire: () => permissions.expire(wall() / 1000),
    stop: () => questions.stop(),
    get pending() {
      return questions.count
    },
  }
}
