/**
 * Reads the configuration: flag > environment > default.
 *
 * We report every problem at once, and no message repeats a secret.
 */
import { type Config, resolve } from './config.ts'
import { contradictions, warnings } from './contradictions.ts'
import { readFlags } from './flags.ts'
import { inferred } from './presets.ts'
import { readPublicTokens } from './public-tokens.ts'
import { envNames, SETTINGS, type SettingName, type Values } from './settings.ts'
import { type Given, settle, type Usual } from './settle.ts'
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

/** Reads flags and environment; `usual` has other defaults. Throws {@link ConfigInvalid} with every problem. */
export function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv, usual: Usual = () => ({})): Config {
  const problems: string[] = []
  const read = readSettings(argv, env, problems)
  const given: Given = new Map([...entries(inferred(env)), ...entries(usual(read)), ...read])
  const values = settle(given)
  const config = resolve(values)
  const unknown = findUnknownVariables(env)
  problems.push(...unknown.problems, ...contradictions({ given, values, config }))
  const problem = (sentence: string) => problems.push(sentence)
  const [tls, publicTokens] = [readTls(values, problem), readPublicTokens(values, problem)]
  if (problems.length > 0) throw new ConfigInvalid(problems)
  return { ...config, tls, publicTokens, warnings: [...unknown.warnings, ...warnings({ given, values, config })] }
}

const entries = (values: Partial<Values>) => Object.entries(values) as [SettingName, unknown][]

function readSettings(argv: readonly string[], env: NodeJS.ProcessEnv, problems: string[]): Given {
  const flags = readFlags(argv, problems)
  const given = new Map<SettingName, unknown>()
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const variable = envNames(name).find(candidate => env[candidate])
    const [from, text] = flags.has(name) ? [`--${name}`, flags.get(name)] : [variable, variable && env[variable]]
    if (text === undefined) continue
    try {
      // An empty variable counts as unset. A blank flag is a mistake, such as --secret=$SECRET without a SECRET.
      if (text.trim() === '') throw new Error('is blank: give it a value, or leave it out')
      given.set(name, SETTINGS[name].read(text))
    } catch (error) {
      problems.push(`${from} ${(error as Error).message}`)
    }
  }
  return given
}
