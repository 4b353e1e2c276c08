/**
 * A way in for broadcasts beside HTTP: the cable asks a store, so a backend need not reach the cable.
 */
import type { Clocks } from '../base/clocks.ts'
import type { ReportFailure } from '../base/failure.ts'
import type { Soon } from '../base/soon.ts'
import type { ClosedCode } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Backend } from './backend.ts'

export interface WayIn {
  /** Why the cable refuses new clients: another one gets the broadcasts that come this way. */
  readonly closed: ClosedCode | undefined
  /** What is not as it should be, for /ready. */
  readonly conditions: readonly { readonly says: string; readonly isReady: boolean }[]
  /** Resolves when it is known whether clients may come, or in two seconds. */
  start: () => Promise<unknown>
  /** Resolves when another cable may take over, or in two seconds. */
  stop: () => Promise<void>
}

export interface WayInParts extends Pick<Clocks, 'monotonic'> {
  publish: Backend['publish']
  /** Whether what one cable publishes reaches the clients of all. */
  isShared: boolean
  /** Ends all sessions: another cable gets the broadcasts. */
  lost: () => void
  /** Makes all pages refresh: they may have missed broadcasts. */
  missed: () => Soon<void>
  /** Resolves after so many ms. */
  pause: (ms: number) => Promise<unknown>
  metrics: Metrics
  failed: ReportFailure
  log: Log
}
