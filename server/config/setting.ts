/**
 * One row of the settings' table, and functions to write rows with.
 */
import { bool, type Read } from './readers.ts'

export interface Setting<T> {
  /** The name of the value in --help; empty for a switch. */
  readonly shape: string
  readonly read: Read<T>
  readonly fallback: T
  readonly help: string
  /** Its variable is `<prefix>_<NAME>`. */
  readonly prefix: 'ANYCABLE' | 'HOTCABLE'
  /** A second variable, which hosting platforms set; the first wins. */
  readonly otherVariable?: string
  /** The values that other settings take if this one is set, even if the operator sets them otherwise. */
  readonly implies: Implied
}

/** The older name of another setting. */
export interface OlderName<T, Newer extends string> extends Setting<T> {
  readonly newer: Newer
  /** Whether it wins over the newer name. */
  readonly outranks: boolean
}

export type Implied = Readonly<Record<string, string | boolean>>

/** A setting that AnyCable has too. */
export const setting = <T>(shape: string, read: Read<T>, fallback: T, help: string): Setting<T> => ({
  shape,
  read,
  fallback,
  help,
  prefix: 'ANYCABLE',
  implies: {},
})

/** A setting that AnyCable does not have. */
export const ours = <T>(shape: string, read: Read<T>, fallback: T, help: string): Setting<T> => ({
  ...setting(shape, read, fallback, help),
  prefix: 'HOTCABLE',
})

export const flag = (help: string, implies: Implied = {}): Setting<boolean> => ({
  ...setting('', bool, false, help),
  implies,
})
export const ourFlag = (help: string): Setting<boolean> => ours('', bool, false, help)

/** An older name of the setting `newer`, with the same shape and reader. `unset`: the value that counts as not given. */
export function older<const Newer extends string, T>(
  newer: Newer,
  [shape, read, unset]: readonly [shape: string, read: Read<T>, unset: T],
  { implies = {}, outranks = false }: { implies?: Implied; outranks?: boolean } = {},
): OlderName<T, Newer> {
  const all = [newer, ...Object.keys(implies)].map(name => `--${name}`)
  const help = all.length === 1 ? `Older name of ${all[0]}.` : `Older name of ${all.join(' and ')} in one.`
  return { ...setting(shape, read, unset, help), implies, newer, outranks }
}
