/**
 * Shutting down: clients leave a few at a time, so that they do not all reconnect to another cable at once.
 */
import type { Sessions } from './sessions.ts'

const STEP_MS = 100
/** Minimum per step: so few reconnecting at once do no harm. */
const LEAST = 10

/** Settings, by their names. */
export interface ShutdownSettings {
  /** Seconds in which /ready answers 503 before the first client leaves. */
  readonly shutdown_delay: number
  /** Seconds over which clients leave; negative: a third of the timeout. */
  readonly shutdown_drain: number
  /** Seconds after the delay until we cut the connections that are left. */
  readonly shutdown_timeout: number
}

export interface ShutdownParts {
  sessions: Sessions
  /** Resolves after so many ms. */
  pause: (ms: number) => Promise<unknown>
  monotonic: () => number
  /** Closes every port; cuts the connections that are left after so many ms. */
  end: (timeoutMs: number) => Promise<void>
}

/** Tells every client to reconnect, and resolves when all connections are closed. */
export async function shutDown(settings: ShutdownSettings, parts: ShutdownParts): Promise<void> {
  const { sessions, pause, monotonic, end } = parts
  const timeoutMs = settings.shutdown_timeout * 1000
  const drainMs = settings.shutdown_drain < 0 ? timeoutMs / 3 : settings.shutdown_drain * 1000
  await pause(settings.shutdown_delay * 1000)
  const started = monotonic()
  // Backends may POST until the end: their messages reach the clients that are still connected.
  await drain(sessions, Math.min(drainMs, timeoutMs), pause)
  await end(Math.max(0, timeoutMs - (monotonic() - started)))
}

/** Tells every client to leave, in `overMs` at most. */
async function drain(sessions: Sessions, overMs: number, pause: ShutdownParts['pause']): Promise<void> {
  const most = overMs < STEP_MS ? sessions.clients : Math.max(LEAST, Math.ceil(sessions.clients / (overMs / STEP_MS)))
  while (sessions.stopSome(most) > 0) await pause(STEP_MS)
}
