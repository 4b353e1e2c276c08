/**
 * Flags, as Go programs take them: --name=value, --name value, -name value; a switch needs no value. Pure.
 */
import { nearest } from '../base/nearest.ts'
import { ANYCABLE_FLAGS } from './anycable-flags.ts'
import { exampleOf, SETTINGS, type SettingName } from './settings.ts'

export interface Flags {
  /** The settings' values, as text. */
  readonly given: Map<SettingName, string>
  /** Flags of AnyCable that are not settings here, and their values. */
  readonly foreign: Map<string, string>
  /** Flags about the file of settings (config-file.ts). */
  readonly file: Map<FileFlag, string>
}

export type FileFlag = keyof typeof FILE_FLAGS

/** Whether each takes a value. They have no variables. */
const FILE_FLAGS = { 'config-path': true, 'ignore-config-path': false, 'print-config': false }

/** Adds mistakes to `problems`, as sentences that repeat no value. */
export function readFlags(argv: readonly string[], problems: string[]): Flags {
  const all = new Map<string, string>()
  for (let at = 0; at < argv.length; at++) {
    const [name, inline] = readFlag(argv[at]!)
    const next = argv[at + 1]
    const hasValue = takesValue(name)
    if (name !== undefined && hasValue !== undefined) {
      if (inline !== undefined) all.set(name, inline)
      else if (!hasValue) all.set(name, 'true')
      // A secret may begin with a dash, but the name of a setting is not a value.
      else if (next !== undefined && takesValue(readFlag(next)[0]) === undefined) all.set(name, argv[++at]!)
      else problems.push(`--${name} needs a value${isSetting(name) ? `: --${name}=${exampleOf(name)}` : ''}`)
    } else if (name === undefined) {
      // The message does not repeat the argument: it may be part of a secret that has a space.
      problems.push(`argument ${at + 1} is not a flag: flags begin with --`)
    } else {
      problems.push(`--${name} is not a setting of this cable${didYouMean(name)} (see --help)`)
      // Skip the unknown flag's value, so that it causes no second message.
      if (inline === undefined && next?.startsWith('-') === false) at++
    }
  }
  const flags: Flags = { given: new Map(), foreign: new Map(), file: new Map() }
  for (const [name, value] of all) {
    if (isSetting(name)) flags.given.set(name, value)
    else if (isFileFlag(name)) flags.file.set(name, value)
    else flags.foreign.set(name, value)
  }
  return flags
}

const readFlag = (argument: string): [name: string | undefined, value: string | undefined] => {
  const [, name, value] = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(argument) ?? []
  return [name, value]
}

/** `undefined`: there is no such flag. */
function takesValue(name: string | undefined): boolean | undefined {
  if (name === undefined) return undefined
  if (isSetting(name)) return SETTINGS[name].shape !== ''
  if (isFileFlag(name)) return FILE_FLAGS[name]
  const foreign = ANYCABLE_FLAGS.get(name)
  return foreign && typeof foreign.usual === 'string'
}

const isSetting = (name: string): name is SettingName => Object.hasOwn(SETTINGS, name)
const isFileFlag = (name: string): name is FileFlag => Object.hasOwn(FILE_FLAGS, name)

const didYouMean = (name: string): string => {
  const meant = nearest(name, Object.keys(SETTINGS))
  return meant === undefined ? '' : `, did you mean --${meant}?`
}
