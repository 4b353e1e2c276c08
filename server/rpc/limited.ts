/**
 * A controller in front of a transport: so many calls at once, repetitions while the application is not there, the circuit
 * breaker, the numbers.
 *
 *   call ─▶ [slot] ─▶ attempt ─▶ answer
 *     ▲                 ╰▶ unavailable, busy ─▶ pause ─▶ another attempt, until the call's time is over
 *     ╰ refused if too many wait; but never an unsubscribe or a disconnect, which say what has happened already
 *
 * The time of a call begins when it has its first slot, as in the reference.
 */
import { backoff, type Pauses, rest } from '../base/backoff.ts'
import { Breaker } from './breaker.ts'
import { type Call, type Controller, RpcFailed } from './controller.ts'
import { Slots } from './slots.ts'

export interface LimitedSettings {
  /** Calls that the application gets at once. */
  readonly concurrency: number
  /** Calls that wait for a slot. */
  readonly maxWaiting: number
  /** Time for one attempt. */
  readonly attemptMs: number
}

export interface LimitedParts {
  monotonic: () => number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  /** From 0 to 1. */
  random: () => number
}

/** All but `pending` only rise. */
export interface RpcCounts {
  calls: number
  errors: number
  retries: number
  timeouts: number
  canceled: number
  /** Calls that were refused, because too many waited. */
  refused: number
  /** Calls that wait for a slot. */
  pending: number
}

export interface LimitedController extends Controller {
  readonly counts: Readonly<RpcCounts>
}

type Attempt<Answer> = (call: Call) => Promise<Answer>

const PAUSES_MS: { readonly unavailable: Pauses; readonly exhausted: Pauses } = {
  unavailable: [100, 500],
  exhausted: [10, 500],
}

export function createLimited(
  transport: Controller,
  { concurrency, maxWaiting, attemptMs }: LimitedSettings,
  { monotonic, later, random }: LimitedParts,
): LimitedController {
  const slots = new Slots(concurrency, maxWaiting)
  const breaker = new Breaker(monotonic)
  const counts: RpcCounts = { calls: 0, errors: 0, retries: 0, timeouts: 0, canceled: 0, refused: 0, pending: 0 }

  async function call<Answer>(attempt: Attempt<Answer>, options: Call, mayRefuse: boolean): Promise<Answer> {
    counts.calls++
    if (mayRefuse && slots.isFull) {
      counts.refused++
      throw new RpcFailed('exhausted', `more than ${maxWaiting} calls wait`)
    }
    try {
      return await repeat(attempt, options)
    } catch (error) {
      if (error instanceof RpcFailed && error.code === 'canceled') counts.canceled++
      else counts.errors++
      throw error
    }
  }

  async function repeat<Answer>(attempt: Attempt<Answer>, options: Call): Promise<Answer> {
    const { signal } = options
    let until: number | undefined
    for (let failures = 0; ; failures++) {
      let pauseMs: number | undefined
      await takeSlot(signal)
      try {
        until ??= monotonic() + options.timeoutMs
        return await once(attempt, { ...options, timeoutMs: Math.min(attemptMs, until - monotonic()) })
      } catch (error) {
        pauseMs = pauseAfter(error, failures)
        if (pauseMs === undefined || monotonic() + pauseMs >= until!) throw error
      } finally {
        slots.free()
      }
      counts.retries++
      await rest(pauseMs, signal, later)
    }
  }

  async function once<Answer>(attempt: Attempt<Answer>, options: Call): Promise<Answer> {
    if (!breaker.begin()) throw new RpcFailed('unavailable', 'as the last calls found')
    let isAnswered: boolean | undefined = true
    try {
      return await attempt(options)
    } catch (error) {
      const code = error instanceof RpcFailed ? error.code : undefined
      if (code === 'timed_out') counts.timeouts++
      isAnswered = code === 'canceled' ? undefined : code !== 'unavailable' && code !== 'timed_out'
      throw error
    } finally {
      breaker.ended(isAnswered)
    }
  }

  async function takeSlot(signal: AbortSignal): Promise<void> {
    counts.pending++
    try {
      await slots.take(signal)
    } catch (cause) {
      throw new RpcFailed('canceled', undefined, { cause })
    } finally {
      counts.pending--
    }
  }

  /** `undefined`: do not repeat the call. */
  function pauseAfter(error: unknown, failures: number): number | undefined {
    const pauses = error instanceof RpcFailed ? PAUSES_MS[error.code as keyof typeof PAUSES_MS] : undefined
    return pauses && backoff(failures, pauses, random)
  }

  return {
    counts,
    connect: (request, options) => call(options => transport.connect(request, options), options, true),
    command: (request, options) =>
      call(options => transport.command(request, options), options, request.command !== 'unsubscribe'),
    disconnect: (request, options) => call(options => transport.disconnect(request, options), options, false),
    close: () => transport.close(),
  }
}
