/**
 * Turns the settings that an operator gave into a value for every setting: older names, defaults, implied settings.
 *
 *   --turbo_rails_key=k   ─▶   turbo_streams_secret k, turbo_streams true
 *
 * The settings' rows hold the older names and the implied settings. Pure.
 */
import { SETTINGS, type SettingName, type Values } from './settings.ts'

/** The settings that have a value beside the default: by flag, variable, file, preset or command; also under older names. */
export type Given = ReadonlyMap<SettingName, unknown>

/** Settings that are on without a flag or a variable, by what the operator gave. */
export type Usual = (given: Given) => Partial<Values>

export interface OlderPair {
  readonly older: SettingName
  readonly newer: keyof Values
  /** Whether the older name wins over the newer one. */
  readonly outranks: boolean
}

const NAMES = Object.keys(SETTINGS) as SettingName[]

export const OLDER_PAIRS: readonly OlderPair[] = NAMES.flatMap(older => {
  const row = SETTINGS[older]
  return 'newer' in row ? [{ older, newer: row.newer, outranks: row.outranks }] : []
})

export function settle(given: Given): Values {
  const older = new Map<SettingName, OlderPair>(OLDER_PAIRS.map(pair => [pair.newer, pair]))
  const values = NAMES.filter(name => !('newer' in SETTINGS[name])).map(name => {
    const pair = older.get(name)
    return [name, given.get(pair === undefined ? name : usedOf(pair, given)) ?? SETTINGS[name].fallback]
  })
  const implied = NAMES.filter(name => given.get(name)).map(name => SETTINGS[name].implies)
  return Object.assign(Object.fromEntries(values), ...implied)
}

/** Returns the name with the value that counts. A secret that is `none`, and a switch that is off, count as not given. */
export function usedOf({ older, newer, outranks }: OlderPair, given: Given): SettingName {
  const [first, second] = outranks ? [older, newer] : [newer, older]
  return !given.get(first) && given.get(second) ? second : first
}
