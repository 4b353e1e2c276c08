/**
 * The questions that the app has not answered yet.
 *
 *   ask ─▶ [slot] ─▶ app ─▶ answer
 *     ▲                ╰▶ none: again after a while, for as long as a caller waits
 *     ╰ equal questions share one
 *
 * A circuit breaker stands in front of the attempts: the cable asks an app that is away one question at a time.
 */
import { backoff, type Pauses, rest } from '../base/backoff.ts'
import type { Log } from '../log.ts'
import { type Answer, AnswerUseless, type AskApp, type Question, reasonOf } from './ask-app.ts'
import { Breaker } from './breaker.ts'
import { Slots } from './slots.ts'

export interface QuestionParts {
  askApp: AskApp
  /** Questions that the app gets at once. */
  concurrency: number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  monotonic: () => number
  /** From 0 to 1. */
  random: () => number
  /** Takes each answer, before its callers get it. */
  answered: (question: Question, answer: Answer) => void
  metrics: { authorize_call_total: number; authorize_error_total: number; authorize_retries_total: number }
  log: Pick<Log, 'warn'>
}

/** The app gave no answer in time, or the question has become void. */
export class AnswerMissing extends Error {
  override readonly name = 'AnswerMissing'
}

/** A session that waits for an answer. */
export interface Caller {
  /** It does not wait any more. */
  readonly ended: boolean
}

interface Waiting {
  readonly caller: Caller
}

interface Open {
  readonly identity: string
  readonly callers: Set<Waiting>
  readonly answer: Promise<Answer>
  readonly abort: AbortController
}

/** Time for one attempt. */
const ATTEMPT_MS = 4_000
/** Questions that wait for a slot, for each slot. */
const WAITING_PER_SLOT = 200
/** Pause after the first failure, and the longest one. */
const PAUSES_MS: Pauses = [200, 2_000]

export class Questions {
  readonly #parts: QuestionParts
  readonly #slots: Slots
  readonly #breaker: Breaker
  readonly #open = new Map<string, Open>()

  constructor(parts: QuestionParts) {
    this.#parts = parts
    this.#slots = new Slots(parts.concurrency, WAITING_PER_SLOT * parts.concurrency)
    this.#breaker = new Breaker(parts.monotonic)
  }

  get count(): number {
    return this.#open.size
  }

  /** Rejects with {@link AnswerMissing} after so many ms. */
  async ask(question: Question, caller: Caller, patienceMs: number): Promise<Answer> {
    const key = keyOf(question)
    const open = this.#open.get(key) ?? this.#begin(key, question)
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const cancel = this.#parts.later(patienceMs, () => reject(new AnswerMissing()))
    // (A session may wait twice.)
    const waiting: Waiting = { caller }
    open.callers.add(waiting)
    open.answer.then(resolve, reject)
    try {
      return await promise
    } finally {
      cancel()
      open.callers.delete(waiting)
      if (open.callers.size === 0) this.#end(key, open)
    }
  }

  /** Ends the questions about an identity: the app may have answered them before it changed its mind. */
  forget(identity: string): void {
    for (const [key, open] of this.#open) if (open.identity === identity) this.#end(key, open)
  }

  stop(): void {
    for (const [key, open] of this.#open) this.#end(key, open)
  }

  #end(key: string, open: Open): void {
    if (this.#open.get(key) === open) this.#open.delete(key)
    open.abort.abort(new AnswerMissing())
  }

  #begin(key: string, question: Question): Open {
    const abort = new AbortController()
    const callers = new Set<Waiting>()
    const answer = this.#run(question, callers, abort.signal).then(answer => {
      abort.signal.throwIfAborted()
      this.#parts.answered(question, answer)
      return answer
    })
    answer.catch(() => {}) // (its callers may have gone)
    const open = { identity: question.identity, callers, answer, abort }
    this.#open.set(key, open)
    return open
  }

  async #run(question: Question, callers: ReadonlySet<Waiting>, signal: AbortSignal): Promise<Answer> {
    const { metrics, log } = this.#parts
    for (let failures = 0; ; failures++) {
      if (this.#slots.isFull) throw new AnswerMissing()
      await this.#slots.take(signal)
      try {
        if (isOver(callers)) throw new AnswerMissing()
        if (this.#breaker.begin()) return await this.#attempt(question, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof AnswerMissing) throw error
        metrics.authorize_error_total++
        const about = { code: 'subscribe_unavailable', reason: reasonOf(error) }
        log.warn(about, 'the app at --subscribe_url did not say whether a client may subscribe')
      } finally {
        this.#slots.free()
      }
      await rest(backoff(failures, PAUSES_MS, this.#parts.random), signal, this.#parts.later)
      signal.throwIfAborted()
      metrics.authorize_retries_total++
    }
  }

  async #attempt(question: Question, signal: AbortSignal): Promise<Answer> {
    this.#parts.metrics.authorize_call_total++
    let isAnswered: boolean | undefined = true
    const attempt = new AbortController()
    const end = () => attempt.abort(signal.reason)
    const cancel = this.#parts.later(ATTEMPT_MS, () => attempt.abort(new DOMException('', 'TimeoutError')))
    signal.addEventListener('abort', end, { once: true })
    try {
      signal.throwIfAborted()
      return await this.#parts.askApp(question, attempt.signal)
    } catch (error) {
      isAnswered = signal.aborted ? undefined : error instanceof AnswerUseless
      throw error
    } finally {
      this.#breaker.ended(isAnswered)
      cancel()
      signal.removeEventListener('abort', end)
    }
  }
}

const isOver = (callers: ReadonlySet<Waiting>): boolean =>
  callers.size > 0 && [...callers].every(({ caller }) => caller.ended)

export const keyOf = ({ identity, stream }: Question): string => `${identity.length} ${identity}${stream}`
