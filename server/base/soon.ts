/** A value now, or later. */
export type Soon<T> = T | Promise<T>

/** Returns what `then` makes of the value: now, without a promise, if the value is here now. */
export const soon = <T, U>(value: Soon<T>, then: (value: T) => U): Soon<U> =>
  value instanceof Promise ? value.then(then) : then(value)
