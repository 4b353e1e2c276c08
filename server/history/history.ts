/**
 * History: past broadcasts, for clients that missed them.
 *
 *   position   "12/aZ3x"    <offset>/<epoch>; "-" if it is not known
 *
 * Offsets come from one counter for all streams, so they rise in each stream but are not contiguous. An epoch is one life
 * of the history: a client with another epoch may have missed any number of messages.
 */

import type { Entry } from '../broker.ts'
import type { Position } from '../protocol/position.ts'

export interface History {
  readonly epoch: string
  /** The last offset given out. */
  readonly offset: number
  /**
   * Takes a message and gives it its offset. `message` is JSON text. With `key` it removes the older messages of the stream
   * with that key which all get this one instead; every position stays valid.
   */
  append: (stream: string, message: string, exclude?: string, type?: string, key?: string) => Entry
  /** Returns the messages after the position, oldest first; `gap` if some of them are gone. */
  after: (stream: string, position: Position) => readonly Entry[] | 'gap'
  /** Returns the messages since a time, Unix seconds, inclusive, as far as it keeps them. */
  since: (stream: string, seconds: number) => readonly Entry[]
  /** Makes every position so far a gap: of these streams, or of all. */
  forget: (streams: readonly string[] | 'all') => void
  /** Drops messages that are too old; call it about every second. */
  expire: () => void
}
