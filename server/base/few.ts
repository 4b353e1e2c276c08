/**
 * One item, or a Set of several: most groups have one member, and a Set of one would take more memory than the member.
 */
export type Few<T extends object> = T | Set<T>

export function withOne<T extends object>(few: Few<T> | undefined, item: T): Few<T> {
  if (few === undefined || few === item) return item
  if (!(few instanceof Set)) return new Set([few, item])
  return few.add(item)
}

/** Returns `undefined` after it removed the last item. */
export function withoutOne<T extends object>(few: Few<T> | undefined, item: T): Few<T> | undefined {
  if (few instanceof Set) {
    few.delete(item)
    return few.size > 0 ? few : undefined
  }
  return few === item ? undefined : few
}

export const countOf = (few: Few<object> | undefined): number =>
  few instanceof Set ? few.size : few === undefined ? 0 : 1

export const each = <T extends object>(few: Few<T> | undefined): Iterable<T> =>
  few instanceof Set ? few : few === undefined ? [] : [few]
