/**
 * Restores the subscriptions of a session that its client resumes.
 *
 *   welcome with the restored identifiers ─▶ [history command] ─▶ replay ─▶ live
 *                                         ╰▶ none in time ─────▶ replay from where the session was lost
 *
 * A client that asks too late gets messages twice, so a slow network should not make it late: its time begins with the first
 * message that it sends after the welcome.
 */
import { guarded } from '../base/failure.ts'
import type { StreamGrant, Subscriber } from '../channels/channels.ts'
import { SubscriptionRejected } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import { restoredWelcome } from '../protocol/extended.ts'
import type { CatchUp } from './catch-up.ts'
import type { Snapshot } from './resumables.ts'
import type { SessionParts } from './session-parts.ts'
import type { Subscription } from './subscriptions.ts'

/** The part of a session that restoring uses. */
export interface Restored extends Subscriber {
  readonly sid: string
  readonly connection: Pick<Connection, 'send'>
  readonly catchUp: CatchUp
  /** Adds a subscription that waits. */
  add: (identifier: string, grant: StreamGrant) => Subscription
  /** No restored subscription waits for its client any more. */
  restored: () => void
  /** Ends the session after a bug. Never throws. */
  fail: (error: unknown) => void
}

/** Time that a restored subscription waits for the client's own position, after the client's first message. */
const GRACE_MS = 2_000
/** The same, after the welcome of a client that sends nothing. */
const SILENT_GRACE_MS = 10_000

/** The time in which restored subscriptions wait for their client. */
export interface Grace {
  /** Call it when the client sends a message. */
  heard: () => void
  /** Cancels what would follow. */
  end: () => void
}

/** Welcomes the client. */
export function restore(session: Restored, { identifiers, position, app }: Snapshot, parts: SessionParts): Grace {
  const restored: Subscription[] = []
  const granted = new Map(app?.grants.map(([identifier, streams, istate]) => [identifier, { streams, istate }]))
  for (const identifier of identifiers) {
    const former = granted.get(identifier)
    const grant =
      former === undefined
        ? resolveAgain(identifier, session, parts)
        : parts.app?.grantOf(identifier, former.streams, former.istate)
    if (grant === undefined) continue
    const subscription = session.add(identifier, grant)
    session.catchUp.wait(subscription)
    restored.push(subscription)
  }
  const names = restored.map(({ identifier }) => identifier)
  session.connection.send(restoredWelcome(session.sid, names, parts.explain))
  const resume = () => {
    session.restored()
    for (const subscription of restored)
      if (subscription.state === 'waiting' && !session.catchUp.isPending(subscription))
        session.catchUp.from(position ?? 'now', subscription, false)
  }
  const after = (ms: number) =>
    parts.later(
      ms,
      guarded(resume, error => session.fail(error)),
    )
  let end = after(SILENT_GRACE_MS)
  let isHeard = false
  return {
    heard() {
      if (isHeard) return
      isHeard = true
      end()
      end = after(GRACE_MS)
    },
    end: () => end(),
  }
}

/**
 * Returns `undefined` if we reject the identifier now: its signed name may have expired. The welcome does not wait for a
 * grant that comes later either: a client subscribes again to what its welcome does not name.
 */
function resolveAgain(
  identifier: string,
  session: Subscriber,
  { resolve, count }: SessionParts,
): StreamGrant | undefined {
  try {
    const grant = resolve(identifier, session)
    if (!(grant instanceof Promise)) return 'answer' in grant ? undefined : grant
    grant.catch(() => {})
    return undefined
  } catch (error) {
    if (!(error instanceof SubscriptionRejected)) throw error
    count(error.code)
    return undefined
  }
}
