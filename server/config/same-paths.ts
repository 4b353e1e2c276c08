/**
 * Two routes at one path of one port: requests would never reach the second. A row for each pair of settings. Pure.
 */
import { scriptPaths } from '../http/script-paths.ts'
import type { Checked, MistakeRow } from './rows.ts'
import type { SettingName } from './settings.ts'

interface Route {
  readonly setting: SettingName
  readonly paths: (checked: Checked) => readonly string[]
  readonly port?: (checked: Checked) => number | 'main' | undefined
}

const below = (folder: string, ...names: string[]): string[] => [folder, ...names.map(name => `${folder}/${name}`)]

/** A route without `port` is on the clients' port. */
const ROUTES: readonly Route[] = [
  { setting: 'path', paths: ({ values }) => values.path },
  { setting: 'health-path', paths: ({ values }) => [values['health-path']] },
  { setting: 'ready-path', paths: ({ values }) => [values['ready-path']] },
  {
    setting: 'metrics_http',
    paths: ({ values }) => (values.metrics_http === '' ? [] : [values.metrics_http]),
    port: ({ config }) => (config.metricsHost === undefined ? config.metricsPort : undefined),
  },
  {
    setting: 'client_js',
    paths: ({ values }) => (values.client_js === 'on' ? scriptPaths(values.path) : []),
  },
  { setting: 'sse_path', paths: ({ values }) => (values.sse ? [values.sse_path] : []) },
  {
    setting: 'http_broadcast_path',
    paths: ({ values }) => below(values.http_broadcast_path, 'position'),
    port: ({ config }) => config.broadcastPort,
  },
  {
    setting: 'api_path',
    paths: ({ values, config }) =>
      config.api ? below(values.api_path, 'publish', 'streams', 'stats', 'disconnect') : [],
    port: ({ config }) => config.api?.port,
  },
]

export const SAME_PATHS: readonly MistakeRow[] = ROUTES.flatMap((route, at) =>
  ROUTES.slice(0, at).map(other => ({
    when: (checked: Checked) => shared(other, route, checked) !== undefined,
    say: (checked: Checked) =>
      `--${other.setting} and --${route.setting} are both ${shared(other, route, checked)}: give each its own path`,
  })),
)

function shared(one: Route, other: Route, checked: Checked): string | undefined {
  const [port, otherPort] = [one, other].map(({ port = () => 'main' as const }) => port(checked))
  // The system chooses a different port for each 0.
  if (port !== otherPort || port === 0) return undefined
  const taken = one.paths(checked)
  return other.paths(checked).find(path => taken.includes(path))
}
