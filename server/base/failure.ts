/**
 * A failure: an unexpected exception, that is, a bug of the cable.
 *
 * We catch it where it can end one session or one task instead of the process: where a transport calls a session, where
 * the hub calls a listener, where a turn runs its tasks, and in timers. Clients and backends choose our input, so one that
 * finds a bug must not be able to end the cable for all others.
 */
import type { Log } from '../log.ts'

/** Logs a failure with its stack, and counts it. `sid` names the session that it ends. Never throws. */
export type ReportFailure = (error: unknown, sid?: string) => void

export const createFailureReporter =
  (log: Log, count: (code: 'internal') => void): ReportFailure =>
  (error, sid) => {
    count('internal')
    const stack = error instanceof Error ? error.stack : String(error)
    log.error({ ...(sid === undefined ? {} : { sid }), code: 'internal', stack }, 'the cable has a bug')
  }

/** Calls `run` for each item, even after it threw for another. */
export function tryEach<T>(items: Iterable<T>, run: (item: T) => void, failed: ReportFailure): void {
  for (const item of items) {
    try {
      run(item)
    } catch (error) {
      failed(error)
    }
  }
}

/** Returns a function, for a timer, that calls `run` and reports an exception instead of throwing it. */
export const guarded = (run: () => void, failed: ReportFailure) => (): void => {
  try {
    run()
  } catch (error) {
    failed(error)
  }
}
