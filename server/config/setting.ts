/**
 * One row of the settings' table, and the four words that a row is written with.
 */
import { bool, type Read } from './readers.ts'

export interface Setting<T> {
  /** How the value is named in --help; empty for a switch. */
  readonly shape: string
  readonly read: Read<T>
  readonly fallback: T
  readonly help: string
  /** Its variable is `<prefix>_<NAME>`. */
  readonly prefix: 'ANYCABLE' | 'HOTCABLE'
  /** A second variable, which hosts set; the first wins. */
  readonly otherVariable?: string
}

/** A setting that AnyCable has too. */
export const setting = <T>(shape: string, read: Read<T>, fallback: T, help: string): Setting<T> => ({
  shape,
  read,
  fallback,
  help,
  prefix: 'ANYCABLE',
})

/** A setting that AnyCable does not have. */
export const ours = <T>(shape: string, read: Read<T>, fallback: T, help: string): Setting<T> => ({
  ...setting(shape, read, fallback, help),
  prefix: 'HOTCABLE',
})

export const flag = (help: string): Setting<boolean> => setting('', bool, false, help)
export const ourFlag = (help: string): Setting<boolean> => ours('', bool, false, help)
