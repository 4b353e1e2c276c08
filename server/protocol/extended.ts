/**
 * The additions of actioncable-v1-ext-json: resumed sessions, positions, answers to `history`.
 *
 *   {"identifier":I,"message":M,"stream_id":"board/1","epoch":"aZ3x","offset":12}
 *
 * Clients of the base protocol get the same fields and ignore them. Pure.
 */

import { encode, type RefreshFate } from './action-cable.ts'

/** The reference leaves an empty list out. Its client then believes that all its subscriptions were restored. */
export const restoredWelcome = (sid: string, identifiers: readonly string[], explain: boolean): Buffer =>
  encode({ type: 'welcome', sid, restored: true, restored_ids: identifiers, dev: explain || undefined })

export const confirmHistory = (identifier: string): Buffer => encode({ type: 'confirm_history', identifier })

/** `refresh` as in a confirmation. */
export const rejectHistory = (identifier: string, refresh?: RefreshFate): Buffer =>
  encode({ type: 'reject_history', identifier, refresh })
