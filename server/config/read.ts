/**
 * Reads the configuration: flag > environment > file > preset > default.
 *
 * We report every problem at once, and no message repeats a secret.
 */
import { judgeFlag } from './anycable-flags.ts'
import { type Config, resolve } from './config.ts'
import type { FileSettings } from './config-file.ts'
import { contradictions, warnings } from './contradictions.ts'
import { readFlags } from './flags.ts'
import { presetsOf, presetValues } from './presets.ts'
import { readPublicTokens } from './public-tokens.ts'
import { readRedis } from './redis.ts'
import { readRpc } from './rpc.ts'
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

/** `usual`: settings that the command switches on. Throws {@link ConfigInvalid} with every problem. */
export function readConfig(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  usual?: Usual,
  file?: FileSettings,
): Config {
  const { given, unread, values, presets, problems, warnings: noted } = read(argv, env, usual, file)
  const config = resolve(values)
  // Without the settings of a file that cannot be read, others may only seem to contradict each other.
  const isWhole = file === undefined || file.problems.length === 0 || file.texts.size > 0
  // A setting that we cannot read may only seem to be missing.
  const seems = (sentence: string) => unread.some(name => new RegExp(`--${name}(?![\\w-])`).test(sentence))
  if (isWhole) problems.push(...contradictions({ given, values, config }).filter(sentence => !seems(sentence)))
  const problem = (sentence: string) => problems.push(sentence)
  const [tls, publicTokens] = [readTls(values, problem), readPublicTokens(values, problem)]
  const [redis, rpc] = [readRedis(values, problem), readRpc(values, problem)]
  if (problems.length > 0) throw new ConfigInvalid(problems)
  return {
    ...config,
    tls,
    publicTokens,
    redis,
    rpc,
    presets,
    warnings: [...noted, ...warnings({ given, values, config })],
  }
}

/** The settings alone, even if they contradict each other. Throws {@link ConfigInvalid} with every value that is wrong. */
export function readValues(...sources: Parameters<typeof readConfig>): Values {
  const { values, problems } = read(...sources)
  if (problems.length > 0) throw new ConfigInvalid(problems)
  return values
}

function read(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  usual: Usual = () => ({}),
  file: FileSettings = { texts: new Map(), problems: [], warnings: [] },
) {
  const problems = [...file.problems]
  const flags = readFlags(argv, problems)
  const unknown = findUnknownVariables(env)
  problems.push(...unknown.problems)
  const noted = [...unknown.warnings, ...file.warnings]
  for (const [name, value] of flags.foreign) judgeFlag(name, value, { problems, warnings: noted })
  const unread: SettingName[] = []
  const told = readSettings(flags.given, env, file, (name, problem) => {
    unread.push(name)
    problems.push(problem)
  })
  const presets = presetsOf(told.get('presets') as string[] | undefined, env)
  const given: Given = new Map([...entries(presetValues(presets)), ...entries(usual(told)), ...told])
  return { given, unread, values: settle(given), presets, problems, warnings: noted }
}

const entries = (values: Partial<Values>) => Object.entries(values) as [SettingName, unknown][]

function readSettings(
  flags: ReadonlyMap<SettingName, string>,
  env: NodeJS.ProcessEnv,
  file: FileSettings,
  fail: (name: SettingName, problem: string) => void,
): Given {
  const given = new Map<SettingName, unknown>()
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const [from, text] = sourceOf(name, flags, env, file) ?? []
    if (text === undefined) continue
    try {
      // An empty variable counts as unset. A blank flag is a mistake, such as --secret=$SECRET without a SECRET.
      if (text.trim() === '') throw new Error('is blank: give it a value, or leave it out')
      given.set(name, SETTINGS[name].read(text))
    } catch (error) {
      fail(name, `${from} ${(error as Error).message}`)
    }
  }
  return given
}

function sourceOf(
  name: SettingName,
  flags: ReadonlyMap<SettingName, string>,
  env: NodeJS.ProcessEnv,
  file: FileSettings,
): readonly [from: string, text: string] | undefined {
  const flag = flags.get(name)
  if (flag !== undefined) return [`--${name}`, flag]
  const variable = envNames(name).find(candidate => env[candidate])
  return variable === undefined ? file.texts.get(name) : [variable, env[variable]!]
}
