/** States of connections and subscriptions, which the application reads and changes. Pure. */
import type { State } from './controller.ts'

export const NO_STATE: State = {}

/** Returns the state after a change: an empty value deletes its name. */
export function changed(state: State, change: State): State {
  const entries = Object.entries(change)
  if (entries.length === 0) return state
  const names = new Map(Object.entries(state))
  for (const [name, value] of entries) {
    if (value === '') names.delete(name)
    else names.set(name, value)
  }
  // (Whatever its name: `fromEntries` sets no prototype.)
  return Object.fromEntries(names)
}
