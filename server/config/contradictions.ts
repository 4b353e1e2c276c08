/**
 * Mistakes in a configuration: settings that contradict each other, and ports that are open by accident.
 *
 * Each row has its condition, and a sentence that names the settings and the fix. Pure.
 */
import type { Resolved } from './config.ts'
import { isSecret, type SettingName } from './settings.ts'

/** Why the cable refuses to start; empty if it may start. */
export function contradictions(config: Resolved): string[] {
  const { settings, jwtSecrets, enforceJwt, noauth, turbo, cableReady, broadcastKeys, broadcastPort, api } = config
  const cleartext = turbo?.cleartext || cableReady?.cleartext
  // Where clients need no token, the operator has already opened the clients' port.
  const isOpen = settings.public || (settings.noauth && !enforceJwt)
  return [
    cleartext && jwtSecrets.length === 0 && 'cleartext stream names need --jwt_secret: only tokens protect them',
    enforceJwt && !cleartext && jwtSecrets.length === 0 && '--enforce_jwt needs --jwt_secret or --secret',
    jwtSecrets.length === 0 &&
      !noauth &&
      !enforceJwt &&
      'no client can connect: set --secret (or --jwt_secret), or say --noauth to let clients in without a token',
    broadcastPort === 'main' &&
      broadcastKeys.length === 0 &&
      !isOpen &&
      "broadcasts need a key on the clients' port: set --broadcast_key (or --secret), or a --http_broadcast_port that is not --port",
    api?.port === 'main' &&
      api.keys.length === 0 &&
      !isOpen &&
      "the REST API needs a key on the clients' port: set --api_secret (or --secret), or an --api_port that is not --port",
    (settings.ssl_cert === '') !== (settings.ssl_key === '') && '--ssl_cert and --ssl_key go together',
    ...Object.entries({ turbo_streams: turbo, cable_ready: cableReady }).map(
      ([name, signed]) =>
        signed?.secrets.length === 0 &&
        !signed.cleartext &&
        `--${name} needs --${name}_secret, --streams_secret or --secret`,
    ),
    ...samePaths(config),
    ...developmentSecrets(config).map(name => `--${name} is a development secret: make your own, or say --dev`),
  ].filter(problem => typeof problem === 'string')
}

const DEVELOPMENT = /development|change-?me/i

const developmentSecrets = ({ settings }: Resolved): SettingName[] =>
  settings.dev
    ? []
    : (Object.keys(settings) as SettingName[]).filter(
        name => isSecret(name) && [settings[name]].flat().some(value => DEVELOPMENT.test(String(value))),
      )

interface Route {
  setting: SettingName
  path: string
  port: number | 'main'
}

/** Two routes at one path of one port: requests would never reach the second. */
function samePaths(config: Resolved): string[] {
  return routes(config).flatMap((route, at, all) => {
    const other = all.slice(0, at).find(({ path, port, setting }) => {
      // The system chooses a different port for each 0.
      return path === route.path && port === route.port && port !== 0 && setting !== route.setting
    })
    return other === undefined
      ? []
      : [`--${other.setting} and --${route.setting} are both ${route.path}: give each its own path`]
  })
}

function routes({ settings, broadcastPort, api }: Resolved): Route[] {
  const { sse, sse_path, metrics_http, http_broadcast_path, api_path } = settings
  const at = (setting: SettingName, port: Route['port'], ...paths: string[]): Route[] =>
    paths.map(path => ({ setting, path, port }))
  const below = (folder: string, ...names: string[]) => [folder, ...names.map(name => `${folder}/${name}`)]
  return [
    ...at('path', 'main', ...settings.path),
    ...at('health-path', 'main', settings['health-path']),
    ...at('ready-path', 'main', settings['ready-path']),
    ...(metrics_http === '' ? [] : at('metrics_http', 'main', metrics_http)),
    ...(sse ? at('sse_path', 'main', sse_path) : []),
    ...at('http_broadcast_path', broadcastPort, ...below(http_broadcast_path, 'position')),
    ...(api ? at('api_path', api.port, ...below(api_path, 'publish', 'streams', 'stats', 'disconnect')) : []),
  ]
}

/** What an operator may have chosen on purpose, but should know. */
export function warnings(config: Resolved): string[] {
  const { turbo, cableReady, jwtSecrets, settings, broadcastKeys, broadcastPort, api } = config
  return [
    (turbo?.cleartext || cableReady?.cleartext) &&
      'cleartext: stream names are not signed, so a client with a token may listen to any stream',
    turbo?.cleartext &&
      turbo.secrets.length > 0 &&
      settings.turbo_rails_key !== '' &&
      'turbo_rails_cleartext: --turbo_rails_key is not used',
    settings.rails_secret_key_base !== '' &&
      jwtSecrets.length === 0 &&
      'rails_secret_key_base without --jwt_secret: clients need no token, only a signed name to listen',
    settings.public && 'public: anyone may connect, listen and broadcast',
    broadcastKeys.length === 0 &&
      isReachable(config) &&
      `broadcasts need no key on ${address(config, broadcastPort)}: set --broadcast_key (or --secret), or let only your backends reach that port`,
    api?.keys.length === 0 &&
      isReachable(config) &&
      `the REST API needs no key on ${address(config, api.port)}: set --api_secret (or --secret), or let only your backends reach that port`,
  ].filter(warning => typeof warning === 'string')
}

/** Whether other machines may reach the ports. A host name may resolve to any address. */
const isReachable = ({ host }: Resolved): boolean => host !== '::1' && !/^127(\.\d+){3}$/.test(host)

const address = ({ host, settings }: Resolved, port: number | 'main'): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port === 'main' ? settings.port : port}`
