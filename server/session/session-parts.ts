/** The parts of a session. */
import type { ReportFailure } from '../base/failure.ts'
import type { Resolve } from '../channels/channels.ts'
import type { ComplaintCode, EndingCode, RejectionCode } from '../errors.ts'
import type { Heal } from '../heal/heal.ts'
import type { Connection } from '../hub/connection.ts'
import type { Hub } from '../hub/hub.ts'
import type { Log } from '../log.ts'
import type { AppClient } from '../rpc/app-client.ts'
import type { ClientRequest } from '../rpc/client-request.ts'
import type { App } from './app.ts'
import type { CatchUpParts } from './catch-up.ts'
import type { CommandParts } from './commands.ts'
import type { Snapshot } from './resumables.ts'

/** The parts that all sessions share; a test can supply its own. */
export interface SessionParts extends CatchUpParts, CommandParts {
  resolve: Resolve
  /** Set when the cable listens; `undefined`: it asks no application. */
  app: App | undefined
  hub: Pick<Hub, 'subscribe' | 'unsubscribe' | 'addWaiter' | 'removeWaiter'>
  heal: Heal
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  monotonic: () => number
  failed: ReportFailure
  /** Counts a rejected subscription, or an ended session. */
  count: (code: RejectionCode | EndingCode) => void
  /** Counts an ignored command. */
  ignored: (code: ComplaintCode) => void
  log: Log
  /** Stores the session again, because its state has changed; `undefined`: no other node could take it. */
  changed?: ((session: Stored) => void) | undefined
  /** Whether refusals tell the client their code, which its welcome announces (--dev). */
  explain: boolean
}

/** A session that another node may take. */
export interface Stored {
  readonly resumable: boolean
  readonly ended: boolean
  snapshot: () => Snapshot
}

/** A client that connects, its connection, and the lost session that it resumes. */
export interface Newcomer {
  sid: string
  identity: string
  /** Whether its sid is its only identity (--noauth). */
  anonymous: boolean
  /** Whether the client may resume the session. */
  resumable: boolean
  connection: Connection
  /** `undefined`: no part of this cable needs it. */
  request?: ClientRequest | undefined
  app?: AppClient | undefined
  resumed?: Snapshot | undefined
}
