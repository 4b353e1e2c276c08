/**
 * Ends a session from our side: its client gets the reason, then the connection closes.
 */
import { tryEach } from '../base/failure.ts'
import { ENDINGS, type EndingCode } from '../errors.ts'
import type { Connection } from '../hub/connection.ts'
import { disconnect } from '../protocol/action-cable.ts'
import type { SessionParts } from './session-parts.ts'

/** The part of a session that its end uses. */
export interface Ended {
  readonly sid: string
  readonly connection: Pick<Connection, 'send' | 'close'>
  /** Stops delivering and reading. */
  end: () => unknown
}

/** `reconnect` outranks what the code says. */
export function endWith(session: Ended, code: EndingCode, reconnect: boolean | undefined, parts: SessionParts): void {
  const { count, log, explain } = parts
  try {
    session.end()
    count(code)
    log.debug({ sid: session.sid, code }, `session ended: ${ENDINGS[code].fix}`)
    if (ENDINGS[code].tell !== '') session.connection.send(disconnect(code, explain, reconnect))
    session.connection.close(code)
  } catch (error) {
    endAfter(session, error, parts)
  }
}

/** Ends a session after code for it threw, which is a bug; its client may reconnect. Never throws. */
export function endAfter(session: Ended, error: unknown, { failed, explain }: SessionParts): void {
  failed(error, session.sid)
  const steps = [
    () => session.end(),
    () => session.connection.send(disconnect('internal', explain)),
    () => session.connection.close('internal'),
  ]
  tryEach(steps, step => step(), failed)
}
