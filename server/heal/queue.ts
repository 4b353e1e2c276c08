/**
 * First in, first out; an item may also leave from any place. All in O(1), unlike an array, where `shift` moves all other
 * items, and a Set, which skips the holes of deleted items to find its first.
 */

export interface QueuePlace<T> {
  readonly item: T
  before: QueuePlace<T> | undefined
  after: QueuePlace<T> | undefined
}

export class Queue<T> {
  #first: QueuePlace<T> | undefined
  #last: QueuePlace<T> | undefined

  get first(): T | undefined {
    return this.#first?.item
  }

  /** Returns the item's place. Pass it to {@link leave} at most once. */
  join(item: T): QueuePlace<T> {
    const place: QueuePlace<T> = { item, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = place
    else this.#last.after = place
    this.#last = place
    return place
  }

  leave({ before, after }: QueuePlace<T>): void {
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
  }

  /** Removes the first item, and returns it. */
  take(): T | undefined {
    const place = this.#first
    if (place !== undefined) this.leave(place)
    return place?.item
  }
}
