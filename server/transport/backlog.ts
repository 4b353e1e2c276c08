/**
 * The bytes that a reader has not taken yet, turn by turn.
 *
 *   ├─ under way ─┤├─ queued ─┤├─ added in this turn ─┤
 *
 * The bytes that we add in a turn say nothing about the reader before the turn is over. The write under way does not count
 * either, as in the reference, although Node counts it until its last byte is gone: otherwise any message after one as large
 * as the limit would be too much. So a reader is too slow if more than the limit is queued behind the write under way, and
 * some of it was queued before this turn.
 */
export class Backlog {
  /** Bytes of the write under way. */
  #writing = EVERYTHING
  /** Bytes behind that write when this turn began. */
  #queued = 0
  /** Whether anything waited when this turn began. */
  #behind = false

  get isBehind(): boolean {
    return this.#behind
  }

  /** Begins a turn; `waited` bytes of earlier turns still wait. */
  begin(waited: number): void {
    this.#behind = waited > 0
    this.#writing = this.#behind ? Math.min(this.#writing, waited) : EVERYTHING
    this.#queued = this.#behind ? waited - this.#writing : 0
  }

  /** Whether `size` more bytes are too many. `waits` counts all bytes that wait now, those of this turn too. */
  exceeds(limit: number, waits: number, size: number): boolean {
    return this.#queued > 0 && waits - this.#writing + size > limit
  }

  /**
   * Whether `size` more bytes should wait until the reader has taken others, so that `limit` leaves room for broadcasts.
   * `waits` as above. Bytes of this turn alone never make a reader too slow, but more than the limit is enough for one turn.
   */
  isFull(limit: number, waits: number, size: number): boolean {
    return this.#behind ? waits + size > limit / 2 : waits >= limit
  }
}

/** More bytes than can ever wait. */
const EVERYTHING = 2 ** 30
