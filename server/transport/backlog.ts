/**
 * What a reader has not taken, turn by turn.
 *
 *   ├─ under way ─┤├─ queued ─┤├─ added in this turn ─┤
 *
 * What we add in a turn says nothing about the reader before the turn is over. The write that is under way is no queue,
 * as in the reference, though Node counts it until its last byte is gone: without this, any message that follows one as
 * large as the limit would be too much. So a reader is too slow once more than the limit is queued behind it, and a turn
 * adds to what was queued before.
 */
export class Backlog {
  /** Bytes that were written when nothing waited. */
  #writing = EVERYTHING
  /** Bytes behind these, when this turn began. */
  #queued = 0
  /** Whether anything waited when this turn began. */
  #behind = false

  get isBehind(): boolean {
    return this.#behind
  }

  /** A turn begins, in which `waited` bytes of the turns before it wait. */
  begin(waited: number): void {
    this.#behind = waited > 0
    this.#writing = this.#behind ? Math.min(this.#writing, waited) : EVERYTHING
    this.#queued = this.#behind ? waited - this.#writing : 0
  }

  /** Whether `size` bytes more are too many. `waits` counts all that waits now, of this turn as well. */
  exceeds(limit: number, waits: number, size: number): boolean {
    return this.#queued > 0 && waits - this.#writing + size > limit
  }
}

/** More than ever waits. */
const EVERYTHING = 2 ** 30
