/**
 * Flags, as Go programs take them: --name=value, --name value, -name value; a switch needs no value. Pure.
 */
import { nearest } from '../base/nearest.ts'
import { exampleOf, SETTINGS, type SettingName } from './settings.ts'

/** Returns each setting's value, as text. Adds mistakes to `problems`, as sentences that repeat no value. */
export function readFlags(argv: readonly string[], problems: string[]): Map<SettingName, string> {
  const given = new Map<SettingName, string>()
  for (let at = 0; at < argv.length; at++) {
    const [name, inline] = readFlag(argv[at]!)
    const next = argv[at + 1]
    if (isSetting(name)) {
      if (inline !== undefined) given.set(name, inline)
      else if (SETTINGS[name].shape === '') given.set(name, 'true')
      // A secret may begin with a dash, but the name of a setting is not a value.
      else if (next !== undefined && !isSetting(readFlag(next)[0])) given.set(name, argv[++at]!)
      else problems.push(`--${name} needs a value: --${name}=${exampleOf(name)}`)
    } else if (name === undefined) {
      // The message does not repeat the argument: it may be part of a secret that has a space.
      problems.push(`argument ${at + 1} is not a flag: flags begin with --`)
    } else {
      problems.push(`--${name} is not a setting of this cable${didYouMean(name)} (see --help)`)
      // Skip the unknown flag's value, so that it causes no second message.
      if (inline === undefined && next?.startsWith('-') === false) at++
    }
  }
  return given
}

const readFlag = (argument: string): [name: string | undefined, value: string | undefined] => {
  const [, name, value] = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(argument) ?? []
  return [name, value]
}

const isSetting = (name: string | undefined): name is SettingName => name !== undefined && Object.hasOwn(SETTINGS, name)

const didYouMean = (name: string): string => {
  const meant = nearest(name, Object.keys(SETTINGS))
  return meant === undefined ? '' : `, did you mean --${meant}?`
}
