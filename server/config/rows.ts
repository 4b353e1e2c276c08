/**
 * A row of a table of mistakes: its condition, and the sentence that reports it. Pure.
 */
import type { Resolved } from './config.ts'
import type { Values } from './settings.ts'
import type { Given } from './settle.ts'

export interface MistakeRow {
  readonly when: (checked: Checked) => boolean
  readonly say: string | ((checked: Checked) => string)
}

/** The input of a row: the settings, and the configuration that they resolve to. */
export interface Checked {
  readonly given: Given
  readonly values: Values
  readonly config: Resolved
}

/** Returns the sentence of each row with a condition that holds. */
export const said = (rows: readonly MistakeRow[], checked: Checked): string[] =>
  rows.filter(({ when }) => when(checked)).map(({ say }) => (typeof say === 'string' ? say : say(checked)))
