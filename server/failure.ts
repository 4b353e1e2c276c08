/**
 * A failure: an exception that nothing expected, which is a bug of the cable.
 *
 * It is caught where it can end one session or one task, but not the process: where a transport calls a session, where
 * the hub calls a listener, where a turn runs its tasks, and in timers. Clients and backends choose what we work on, so a
 * bug that they can reach must not be a way to end the cable for all others.
 */
import type { Log } from './log.ts'

/** Logs a failure with its stack, and counts it. `sid`: the session that ends because of it. Never throws. */
export type Failed = (error: unknown, sid?: string) => void

export const createFailed =
  (log: Log, count: (code: 'internal') => void): Failed =>
  (error, sid) => {
    count('internal')
    const stack = error instanceof Error ? error.stack : String(error)
    log.error({ ...(sid === undefined ? {} : { sid }), code: 'internal', stack }, 'failed, which is a bug of the cable')
  }

/** Runs `run` for each item, whether or not it throws for others. */
export function tryEach<T>(items: Iterable<T>, run: (item: T) => void, failed: Failed): void {
  for (const item of items) {
    try {
      run(item)
    } catch (error) {
      failed(error)
    }
  }
}

/** Returns a function for a timer: it runs `run`, and reports what that throws. */
export const guarded = (run: () => void, failed: Failed) => (): void => {
  try {
    run()
  } catch (error) {
    failed(error)
  }
}
