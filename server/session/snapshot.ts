/** The state of a session from which another one may go on. */
import type { AppClient } from '../rpc/app-client.ts'
import type { State } from '../rpc/controller.ts'
import type { AppSnapshot, Snapshot } from './resumables.ts'
import type { Subscriptions } from './subscriptions.ts'

/** A session that may be lost. */
interface Kept {
  readonly identity: string
  readonly anonymous: boolean
  readonly subscriptions: Subscriptions
  readonly app: AppClient | undefined
}

export function snapshotOf(
  { identity, anonymous, subscriptions, app }: Kept,
  sids: Snapshot['sids'],
  position: Snapshot['position'],
): Snapshot {
  // Do not resume a subscription while its page must refresh: the client subscribes anew, and gets a gap again.
  const identifiers = [...subscriptions].flatMap(({ healing, identifier }) => (healing ? [] : [identifier]))
  return { identity, anonymous, sids, identifiers, position, app: app && appSnapshot(app, subscriptions) }
}

function appSnapshot({ cstate, isKnown }: AppClient, subscriptions: Subscriptions): AppSnapshot {
  const grants = [...subscriptions].flatMap(({ identifier, grant: { streams, istate } }) =>
    istate === undefined ? [] : [[identifier, streams, istate] as const],
  )
  return { cstate, isKnown, grants }
}

/** Those of the subscriptions that the application granted. */
export function* statesOf(subscriptions: Subscriptions): Iterable<[identifier: string, istate: State]> {
  for (const { identifier, grant } of subscriptions) if (grant.istate !== undefined) yield [identifier, grant.istate]
}
