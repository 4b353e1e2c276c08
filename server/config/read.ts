/**
 * Reads the configuration: flag > environment > default.
 *
 * We report every problem at once, and no message repeats a secret.
 */
import { type Config, resolve } from './config.ts'
import { contradictions, warnings } from './contradictions.ts'
import { readFlags } from './flags.ts'
import { envNames, SETTINGS, type SettingName, type Values } from './settings.ts'
import { readTls } from './tls.ts'
import { findUnknownVariables } from './unknown-variables.ts'

export class ConfigInvalid extends Error {
  override readonly name = 'ConfigInvalid'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Reads flags and environment. Throws {@link ConfigInvalid} with every problem. */
export function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv): Config {
  const problems: string[] = []
  const given = readFlags(argv, problems)
  const values = Object.fromEntries(
    (Object.keys(SETTINGS) as SettingName[]).map(name => {
      const { read, fallback } = SETTINGS[name]
      const envName = envNames(name).find(candidate => env[candidate])
      const [from, value] = given.has(name) ? [`--${name}`, given.get(name)!] : [envName, envName && env[envName]]
      if (value === undefined) return [name, fallback]
      try {
        // An empty variable counts as unset. A blank flag is a mistake, such as --secret=$SECRET without a SECRET.
        if (value.trim() === '') throw new Error('is blank: give it a value, or leave it out')
        return [name, read(value)]
      } catch (error) {
        problems.push(`${from} ${(error as Error).message}`)
        return [name, fallback]
      }
    }),
  ) as Values
  const unknown = findUnknownVariables(env)
  const resolved = resolve(values)
  problems.push(...unknown.problems, ...contradictions(resolved))
  const tls = readTls(values, problem => problems.push(problem))
  if (problems.length > 0) throw new ConfigInvalid(problems)
  return { ...resolved, tls, warnings: [...unknown.warnings, ...warnings(resolved)] }
}
