/**
 * A row of a table of mistakes: its condition, and the sentence that reports it. Pure.
 */
import type { Resolved } from './config.ts'
import type { Values } from './settings.ts'
import type { Given } from './settle.ts'

export interface Row {
  readonly when: (checked: Checked) => boolean
  readonly say: string | ((checked: Checked) => string)
}

/** What a row judges. */
export interface Checked {
  readonly given: Given
  readonly values: Values
  readonly config: Resolved
}

/** Returns the sentences of the rows whose condition holds. */
export const said = (rows: readonly Row[], checked: Checked): string[] =>
  rows.filter(({ when }) => when(checked)).map(({ say }) => (typeof say === 'string' ? say : say(checked)))
