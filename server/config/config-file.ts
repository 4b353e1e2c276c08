/**
 * The file of settings, as AnyCable reads it: anycable.toml in this folder, or in /etc/anycable.
 *
 *   [server]
 *   port = 8080            AnyCable's keys: the flag --port
 *   [hotcable]
 *   max_sessions = 5000    each setting of this cable, by the name of its flag
 *
 * A flag and a variable win over the file. AnyCable prints whole files (--print-config), so a key of a part that this cable
 * does not have stops nothing: the log names it, unless it has AnyCable's default.
 *
 * The parser is loaded only if there is a file, or one to print.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { ANYCABLE_FLAGS, isUsual } from './anycable-flags.ts'
import { FILE_KEYS, LISTS } from './file-keys.ts'
import { type FileFlag, readFlags } from './flags.ts'
import { isSecret, SETTINGS, type SettingName, type Values } from './settings.ts'

/** Settings as texts, which the readers of flags read. */
export interface FileSettings {
  /** Where each came from, for messages, and its text. */
  readonly texts: ReadonlyMap<SettingName, readonly [from: string, text: string]>
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

export interface ConfigFile {
  /** `undefined`: there is no file. */
  readonly path: string | undefined
  readonly settings: FileSettings
  /** Whether to print the configuration, and start nothing. */
  readonly isToPrint: boolean
}

const USUAL_PATHS = ['anycable.toml', '/etc/anycable/anycable.toml']

/** Reads the file that the flags name, or the usual one. */
export async function readConfigFile(argv: readonly string[], folder: string): Promise<ConfigFile> {
  const { file } = readFlags(argv, [])
  const isOn = (name: FileFlag) => /^(true|1|t)$/i.test(file.get(name) ?? '')
  const path = isOn('ignore-config-path') ? undefined : pathOf(file.get('config-path'), folder)
  const settings = path === undefined ? EMPTY : await read(path)
  return { path, settings, isToPrint: isOn('print-config') }
}

/** The settings that are not the default, as such a file. */
export async function printConfigFile(values: Values): Promise<string> {
  const { stringify } = await import('smol-toml')
  const printed: Record<string, unknown> = {}
  for (const name of Object.keys(values) as (keyof Values)[]) {
    const value: unknown = values[name]
    const { fallback } = SETTINGS[name]
    if (JSON.stringify(value) === JSON.stringify(fallback)) continue
    const key = MEANS_DEFAULT.has(name) && value === 0 ? undefined : keyOf(name)
    const path = (key ?? `hotcable.${name}`).split('.')
    const table = path.slice(0, -1).reduce((at, part) => {
      at[part] ??= {}
      return at[part] as Record<string, unknown>
    }, printed)
    table[path.at(-1)!] = inFile(key, value)
  }
  return stringify(printed)
}

const EMPTY: FileSettings = { texts: new Map(), problems: [], warnings: [] }

function pathOf(named: string | undefined, folder: string): string | undefined {
  if (named !== undefined) return resolve(folder, named)
  return USUAL_PATHS.map(path => resolve(folder, path)).find(path => existsSync(path))
}

async function read(path: string): Promise<FileSettings> {
  const { parse, TomlError } = await import('smol-toml')
  try {
    return readTable(parse(readFileSync(path, 'utf8')), path)
  } catch (error) {
    // Its message repeats lines of the file, which may have secrets.
    const why =
      error instanceof TomlError
        ? `is not TOML: line ${error.line}, column ${error.column}`
        : `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'it is nested too deeply'}`
    return { ...EMPTY, problems: [`${path} ${why}`] }
  }
}

type Table = { readonly [key: string]: unknown }

function readTable(table: Table, path: string): FileSettings {
  const texts = new Map<SettingName, readonly [from: string, text: string]>()
  const problems: string[] = []
  const warnings: string[] = []
  for (const [key, value] of flatten(table, '')) {
    const from = `${key} in ${path}`
    const name = nameOf(key)
    const text = textOf(name, value)
    if (name === undefined) {
      if (key.startsWith('hotcable.')) problems.push(`${from} is not a setting of this cable`)
      else if (!OF_ABSENT_PARTS.test(key) && !isUsualChannel(key, value))
        warnings.push(`${from} is not a setting of this cable, so it has no effect here`)
    } else if (text === undefined) {
      problems.push(`${from} must be ${isOfSecrets(name) ? IN_QUOTES : A_VALUE}`)
    } else if (isSetting(name)) {
      const isUnset = text.trim() === '' || (text === '0' && MEANS_DEFAULT.has(name) && !key.startsWith('hotcable.'))
      if (!isUnset) texts.set(name, [from, text])
    } else if (text !== '' && !isUsual(name, text)) {
      warnings.push(`${from} has no effect here: ${ANYCABLE_FLAGS.get(name)!.why}`)
    }
  }
  return { texts, problems, warnings }
}

/** Each key with its value; dots separate the tables. */
function* flatten(table: Table, prefix: string): Generator<[key: string, value: unknown]> {
  for (const [name, value] of Object.entries(table)) {
    const key = prefix + name
    if (isTable(value) && nameOf(key) === undefined) yield* flatten(value, `${key}.`)
    else yield [key, value]
  }
}

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

const isSetting = (name: string): name is SettingName => Object.hasOwn(SETTINGS, name)

/** The setting, or the flag of AnyCable, that a key stands for. */
function nameOf(key: string): string | undefined {
  const [, ours] = /^hotcable\.([\w-]+)$/.exec(key) ?? []
  return ours === undefined ? FILE_KEYS.get(key) : isSetting(ours) ? ours : undefined
}

const keyOf = (name: string): string | undefined => [...FILE_KEYS].find(([, flag]) => flag === name)?.[0]

/** `undefined`: the setting takes no value of this type. */
function textOf(name: string | undefined, value: unknown): string | undefined {
  // A number would lose its spelling: 1_000, 0x10.
  const fits = isOfSecrets(name) ? isText : isScalar
  if (Array.isArray(value)) return takesList(name) && value.every(fits) ? value.join(',') : undefined
  if (isTable(value) && name === 'metrics_tags') {
    const pairs = Object.entries(value)
    return pairs.every(([, item]) => isScalar(item)) ? pairs.map(pair => pair.join(':')).join(',') : undefined
  }
  return fits(value) ? String(value) : undefined
}

const A_VALUE = 'a text, a number, true, false, or a list of texts'
const IN_QUOTES = 'a text in quotes'

const isOfSecrets = (name: string | undefined): boolean => name !== undefined && isSetting(name) && isSecret(name)
/** A flag that only AnyCable has may take a list. */
const takesList = (name = ''): boolean => !isSetting(name) || Array.isArray(SETTINGS[name].fallback)

const isText = (value: unknown): boolean => typeof value === 'string'
const isScalar = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)

function inFile(key: string | undefined, value: unknown): unknown {
  if (key === 'metrics.tags') return Object.fromEntries(value as [string, string][])
  if (!Array.isArray(value)) return value
  return key !== undefined && LISTS.has(key) ? value : value.join(',')
}

/** AnyCable can give the channel of plain streams another name; it prints the usual one. */
const isUsualChannel = (key: string, value: unknown): boolean => key === 'streams.pubsub_channel' && value === '$pubsub'

/** Ports that are 0 in a file of AnyCable where it takes the default. */
const MEANS_DEFAULT: ReadonlySet<string> = new Set(['http_broadcast_port', 'api_port', 'metrics_port'])

/** Keys that tune a part that this cable does not have. FILE_KEYS has those that switch such a part on. */
const OF_ABSENT_PARTS =
  /^(?:rpc|redis|redis_pubsub|redis_pubsub_broadcast|redis_stream_broadcast|nats|nats_pubsub|nats_broadcast|embedded_nats|disconnector|pusher|ds|metrics\.statsd)\./
