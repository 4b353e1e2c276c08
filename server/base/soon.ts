/** A value now, or later. */
export type Soon<T> = T | Promise<T>

/** Passes the value to `then` and returns the result: at once, without a promise, if the value is here now. */
export const soon = <T, U>(value: Soon<T>, then: (value: T) => Soon<U>): Soon<U> =>
  value instanceof Promise ? value.then(then) : then(value)
