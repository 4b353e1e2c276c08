/**
 * The entries of a stream that have a key.
 *
 *   key ─▶ 12 · 15 without ada · 17 without bob      a message to all replaces the three, one without bob only the last
 *
 * A message replaces an older one with its key only if all sessions that would get the older one get the newer one. So a
 * session that `exclude_socket` names still gets the older one, which it may have missed.
 */
import { each, type Few, withOne, withoutOne } from '../base/few.ts'

interface Keyed {
  readonly exclude: string | undefined
}

export class NewestEntries<T extends Keyed> {
  readonly #entries = new Map<string, Few<T>>()

  /** Adds an entry. Returns those that it replaces, which are not in here any more. */
  add(key: string, entry: T): readonly T[] {
    const others = this.#entries.get(key)
    const replaced = [...each(others)].filter(({ exclude }) => entry.exclude === undefined || entry.exclude === exclude)
    this.#entries.set(key, withOne(replaced.reduce(withoutOne<T>, others), entry))
    return replaced
  }

  /** Returns whether no entry is left. */
  delete(key: string, entry: T): boolean {
    const rest = withoutOne(this.#entries.get(key), entry)
    if (rest === undefined) this.#entries.delete(key)
    else this.#entries.set(key, rest)
    return this.#entries.size === 0
  }
}
