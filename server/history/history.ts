/**
 * History: what was broadcast, for those who missed it.
 *
 *   position   "12/aZ3x"    <offset>/<epoch>; "-" where it is not known
 *
 * Offsets come from one counter for all streams, so they rise in each stream but are not contiguous. An epoch is one life
 * of the history: whoever comes back with another epoch has missed something that nobody can tell.
 */

import type { Entry } from '../broker.ts'
import type { Position } from '../protocol/position.ts'

export interface History {
  readonly epoch: string
  /** The last offset given out. */
  readonly offset: number
  /** Takes a message and gives it its offset. `message` is JSON text. */
  append: (stream: string, message: string, exclude?: string) => Entry
  /** What came after the position, oldest first; `gap` when that cannot be told any more. */
  after: (stream: string, position: Position) => readonly Entry[] | 'gap'
  /** What came since, Unix seconds, inclusive, as far as it is kept. */
  since: (stream: string, seconds: number) => readonly Entry[]
  /** Makes every position so far a gap: of these streams, or of all. */
  forget: (streams: readonly string[] | 'all') => void
  /** Drops what is too old; to be called every second or so. */
  expire: () => void
}
