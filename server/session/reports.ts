/**
 * What a session tells the operator.
 */
import { COMPLAINTS, type ComplaintCode, type SubscriptionRejected } from '../errors.ts'
import type { SessionParts } from './session-parts.ts'

/** Rejections of a session that we log as warnings; we log further ones at debug, because a client may cause any number. */
const WARNED_REJECTIONS = 3

/** `earlier` counts the rejections of the session before this one. */
export function reportRejection(
  sid: string,
  { code, message }: SubscriptionRejected,
  earlier: number,
  { count, log }: SessionParts,
): void {
  count(code)
  const level = earlier < WARNED_REJECTIONS ? 'warn' : 'debug'
  log[level]({ sid, code }, `subscription rejected: ${message}`)
}

export function reportIgnored(sid: string, code: ComplaintCode, { ignored, log }: SessionParts): void {
  ignored(code)
  // (At debug, because a client may cause any number.)
  log.debug({ sid, code }, `command ignored: ${COMPLAINTS[code]}`)
}
