/**
 * Leaving: clients are sent away a few at a time, so that they do not all arrive at once wherever they go next.
 */
import type { Sessions } from './sessions.ts'

const STEP_MS = 100
/** A handful is no stampede: that many leave at every step at least. */
const LEAST = 10

/** Resolves when everybody was sent away, which takes `overMs` at most. */
export async function drain(
  sessions: Sessions,
  overMs: number,
  pause: (ms: number) => Promise<unknown>,
): Promise<void> {
  const most = overMs < STEP_MS ? sessions.count : Math.max(LEAST, Math.ceil(sessions.count / (overMs / STEP_MS)))
  while (sessions.disconnectSome('server_restart', most) > 0) await pause(STEP_MS)
}
