/**
 * Settings: one table, from which --help, .env.example and the README's table are printed.
 *
 *   flag > environment > default
 *
 * Names are AnyCable's, so that the cable can be swapped for it and back; what AnyCable does not have is HOTCABLE_… in
 * the environment. Every problem is reported at once, and no message repeats a secret.
 */
import { deriveKey } from './auth/keys.ts'

type Read<T> = (text: string) => T
interface Setting<T> {
  env: readonly string[]
  read: Read<T>
  fallback: T
  help: string
  /** How the value is named in --help; empty for a switch. */
  shape: string
}

const bool: Read<boolean> = text => {
  if (/^(true|1|t)$/i.test(text)) return true
  if (/^(false|0|f)$/i.test(text)) return false
  throw new Error('must be true or false')
}
const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER): Read<number> =>
  text => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || number < least || number > most)
      throw new Error(`must be a whole number from ${least} to ${most}`)
    return number
  }
const choice =
  <const T extends string>(...names: readonly T[]): Read<T> =>
  text => {
    const found = names.find(name => name === text)
    if (found === undefined) throw new Error(`must be one of ${names.join(', ')}`)
    return found
  }
const list: Read<string[]> = text =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
const paths: Read<string[]> = text => list(text).map(path)
const path: Read<string> = text => {
  if (!/^\/[^\s?#*]*$/.test(text)) throw new Error('must begin with / and hold no ?, # or *')
  return text
}
const text: Read<string> = value => value
/** `none` switches a secret off, as in AnyCable. */
const secret: Read<string> = value => (value === 'none' ? '' : value)

const anycable = (name: string) => `ANYCABLE_${name.toUpperCase().replaceAll('-', '_')}`
const setting = <T>(
  shape: string,
  read: Read<T>,
  fallback: T,
  help: string,
  env: readonly string[] = [],
): Setting<T> => ({ env, read, fallback, help, shape })
const flag = (help: string, env?: readonly string[]) => setting('', bool, false, help, env)

export const SETTINGS = {
  host: setting('HOST', text, 'localhost', 'Address to listen on.'),
  port: setting('PORT', whole(0, 65535), 8080, 'Port for clients, and for broadcasts once a key is set.', [
    'ANYCABLE_PORT',
    'PORT',
  ]),
  path: setting('PATHS', paths, ['/cable'], 'Where clients connect; comma-separated.'),
  'health-path': setting('PATH', path, '/health', 'Answers 200 while the cable is alive.'),
  allowed_origins: setting(
    'HOSTS',
    list,
    [],
    'Hosts whose pages may connect, as host[:port] or *.host; comma-separated. None: all.',
  ),
  shutdown_timeout: setting('SECONDS', whole(0, 3600), 30, 'How long a shutdown may take.'),

  secret: setting(
    'SECRET',
    secret,
    '',
    'One secret for all: tokens and streams use it, the broadcast key derives from it.',
  ),
  jwt_secret: setting('SECRET', secret, '', 'Verifies tokens (HS256, HS384, HS512). Default: --secret.'),
  jwt_id_key: setting('SECRET', secret, '', "--jwt_secret's older name."),
  jwt_param: setting(
    'NAME',
    text,
    'jid',
    'Where a token is: ?NAME=, header x-NAME. (Or subprotocol anycable-token.<token>.)',
  ),
  jwt_id_param: setting('NAME', text, '', "--jwt_param's older name."),
  enforce_jwt: flag('Refuse clients without a token even with --noauth.'),
  jwt_id_enforce: flag("--enforce_jwt's older name."),
  noauth: flag('Accept clients without a token.'),
  public: flag('--noauth, --public_streams and broadcasts without a key.'),
  norpc: flag('Accepted: this cable calls no RPC server.'),

  streams_secret: setting('SECRET', secret, '', 'Verifies signed stream names. Default: --secret.'),
  public_streams: flag('Allow unsigned names on $pubsub.'),
  turbo_streams: flag('Serve Turbo::StreamsChannel.'),
  turbo_streams_secret: setting('SECRET', secret, '', "Verifies Turbo's signed names. Default: --streams_secret."),
  turbo_rails_key: setting('SECRET', secret, '', '--turbo_streams_secret and --turbo_streams in one; the older name.'),
  turbo_rails_cleartext: flag('Turbo names are not signed: whoever has a token may listen to anything.'),

  broadcast_adapter: setting('NAME', choice('http'), 'http', 'How broadcasts come in.'),
  broadcast_key: setting('KEY', text, '', 'Bearer key of broadcasts; none: no key. Default: derived from --secret.'),
  http_broadcast_secret: setting('KEY', text, '', "--broadcast_key's older name."),
  http_broadcast_port: setting(
    'PORT',
    whole(0, 65535),
    -1,
    'Port for broadcasts. Default: --port with a key, 8090 without.',
  ),
  http_broadcast_path: setting('PATH', path, '/_broadcast', 'Where backends POST.'),
  max_broadcast_size: setting('BYTES', whole(1), 1 << 20, 'Largest body of a broadcast.', [
    'HOTCABLE_MAX_BROADCAST_SIZE',
  ]),

  max_message_size: setting('BYTES', whole(1), 65536, 'Largest message of a client.'),
  max_subscriptions: setting('N', whole(1), 128, 'Subscriptions of one session.', ['HOTCABLE_MAX_SUBSCRIPTIONS']),
  max_identifier_length: setting('N', whole(1), 4096, 'Longest identifier, in UTF-16 units.', [
    'HOTCABLE_MAX_IDENTIFIER_LENGTH',
  ]),
  ws_max_pending_size: setting('BYTES', whole(0), 1 << 20, 'Bytes that may wait for one slow client; 0: no limit.'),
  ping_interval: setting('SECONDS', whole(1, 3600), 3, 'Time between pings; clients reconnect after two missed ones.'),

  log_level: setting('LEVEL', choice('debug', 'info', 'warn', 'error'), 'info', 'debug, info, warn or error.'),
  log_format: setting('FORMAT', choice('text', 'json'), 'text', 'text or json.'),
  debug: flag('--log_level=debug.'),
  metrics_http: setting('PATH', path, '', "Serve Prometheus metrics there, on the clients' port. Default: off."),
  dev: flag('For development: refusals tell the client why, development secrets are accepted.', ['HOTCABLE_DEV']),
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTINGS
type Values = { [name in SettingName]: ReturnType<(typeof SETTINGS)[name]['read']> }

/** The environment names of a setting, first wins. */
export const envNames = (name: SettingName): readonly string[] =>
  SETTINGS[name].env.length > 0 ? SETTINGS[name].env : [anycable(name)]

/** What the cable runs on: settings, with older names and fallbacks resolved. */
export interface Config {
  readonly settings: Readonly<Values>
  readonly host: string
  readonly jwtSecret: string
  readonly jwtParam: string
  readonly enforceJwt: boolean
  readonly noauth: boolean
  readonly streamsSecret: string
  readonly publicStreams: boolean
  readonly turbo: { readonly secret: string; readonly cleartext: boolean } | undefined
  /** Empty: broadcasts need no key. */
  readonly broadcastKey: string
  /** `main`: the clients' port. */
  readonly broadcastPort: number | 'main'
  readonly warnings: readonly string[]
}

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
    Object.entries(SETTINGS).map(([name, { read, fallback }]) => {
      const envName = envNames(name as SettingName).find(candidate => env[candidate])
      const [from, value] = given.has(name) ? [`--${name}`, given.get(name)!] : [envName, envName && env[envName]]
      if (value === undefined) return [name, fallback]
      try {
        return [name, read(value)]
      } catch (error) {
        problems.push(`${from} ${(error as Error).message}`)
        return [name, fallback]
      }
    }),
  ) as Values
  const config = resolve(values)
  problems.push(...contradictions(config))
  if (problems.length > 0) throw new ConfigInvalid(problems)
  return config
}

/** --name=value, --name value, -name value; a switch needs no value. */
function readFlags(argv: readonly string[], problems: string[]): Map<string, string> {
  const given = new Map<string, string>()
  for (let at = 0; at < argv.length; at++) {
    const [, name, inline] = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(argv[at]!) ?? []
    if (name === undefined || !Object.hasOwn(SETTINGS, name)) {
      // Only the name: what follows the = may be a secret.
      problems.push(
        name === undefined
          ? `${argv[at]!.slice(0, 20)} is not a flag`
          : `--${name} is not a setting of this cable (see --help)`,
      )
      // The value of an unknown flag is not an argument of its own.
      if (name !== undefined && inline === undefined && argv[at + 1]?.startsWith('-') === false) at++
    } else if (inline !== undefined) given.set(name, inline)
    else if (SETTINGS[name as SettingName].shape === '') given.set(name, 'true')
    else if (at + 1 < argv.length) given.set(name, argv[++at]!)
    else problems.push(`--${name} needs a value`)
  }
  return given
}

function resolve(settings: Values): Config {
  const { secret } = settings
  const key = settings.http_broadcast_secret || settings.broadcast_key
  const broadcastKey =
    settings.public || key === 'none' ? '' : key || (secret === '' ? '' : deriveKey(secret, 'broadcast-cable'))
  const jwtSecret = settings.jwt_secret || settings.jwt_id_key || secret
  const streamsSecret = settings.streams_secret || secret
  const cleartext = settings.turbo_rails_cleartext
  const turbo = settings.turbo_streams || settings.turbo_rails_key !== '' || cleartext
  const config = {
    settings,
    // As Go does; Node would take whichever of 127.0.0.1 and ::1 the resolver names first.
    host: settings.host === 'localhost' ? '127.0.0.1' : settings.host,
    jwtSecret,
    jwtParam: settings.jwt_id_param || settings.jwt_param,
    enforceJwt: settings.enforce_jwt || settings.jwt_id_enforce || cleartext,
    noauth: settings.noauth || settings.public,
    streamsSecret,
    publicStreams: settings.public_streams || settings.public,
    turbo: turbo
      ? { secret: settings.turbo_streams_secret || settings.turbo_rails_key || streamsSecret, cleartext }
      : undefined,
    broadcastKey,
    broadcastPort: broadcastPort(settings, broadcastKey),
  }
  return { ...config, warnings: warnings(config) }
}

/** An unsecured port must not be the one that clients reach. */
function broadcastPort({ port, http_broadcast_port: explicit }: Values, key: string): number | 'main' {
  if (explicit < 0) return key === '' ? 8090 : 'main'
  return explicit === port && port !== 0 ? 'main' : explicit
}

function warnings(config: Omit<Config, 'warnings'>): string[] {
  const { turbo, jwtSecret, noauth, settings } = config
  return [
    turbo?.cleartext &&
      'turbo_rails_cleartext: stream names are not signed, so whoever has a token may listen to any stream',
    turbo?.cleartext &&
      turbo.secret !== '' &&
      settings.turbo_rails_key !== '' &&
      'turbo_rails_cleartext: --turbo_rails_key is not used',
    jwtSecret === '' && !noauth && 'nobody can connect: set --jwt_secret (or --secret), or --noauth',
    settings.public && 'public: anyone may connect, listen and broadcast',
  ].filter(warning => typeof warning === 'string')
}

const DEVELOPMENT = /development|change-?me/i

function contradictions({ settings, jwtSecret, enforceJwt, turbo, jwtParam }: Config): string[] {
  const development = Object.entries(settings).filter(
    ([name, value]) => /secret|key/.test(name) && typeof value === 'string' && DEVELOPMENT.test(value),
  )
  return [
    turbo?.cleartext &&
      jwtSecret === '' &&
      '--turbo_rails_cleartext needs --jwt_secret: tokens are all that protects the streams',
    enforceJwt && !turbo?.cleartext && jwtSecret === '' && '--enforce_jwt needs --jwt_secret or --secret',
    turbo &&
      !turbo.cleartext &&
      turbo.secret === '' &&
      '--turbo_streams needs --turbo_streams_secret, --streams_secret or --secret',
    !/^[A-Za-z0-9_-]+$/.test(jwtParam) && '--jwt_param must be letters, digits, - and _',
    ...(settings.dev
      ? []
      : development.map(([name]) => `--${name} is a development secret: make one of your own, or say --dev`)),
  ].filter(problem => typeof problem === 'string')
}
