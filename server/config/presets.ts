/**
 * Presets: settings that suit a hosting platform, or that AnyCable bundles under a name (--presets). Pure.
 *
 * Without --presets we recognize a platform by the variables that it sets:
 *
 *   fly      FLY_APP_NAME
 *   heroku   PORT, with DYNO or HEROKU_APP_ID (which AnyCable reads; Heroku sets it only for apps that ask for it)
 *
 * The platform's router connects from another machine, so the cable listens on all interfaces. A platform opens one port: with
 * a secret, backends broadcast on the port of the clients.
 */
import type { Values } from './settings.ts'

const PRESETS: Readonly<Record<string, Partial<Values>>> = {
  none: {},
  broker: { broker: 'memory' },
  fly: { host: '0.0.0.0' },
  heroku: { host: '0.0.0.0' },
}

/** The presets in `named`, the value of --presets; without it those of the platform. `none` in it names no preset. */
export function presetsOf(named: readonly string[] | undefined, env: NodeJS.ProcessEnv): readonly string[] {
  return (named ?? inferred(env)).filter(name => name !== 'none')
}

export const presetValues = (presets: readonly string[]): Partial<Values> =>
  Object.assign({}, ...presets.map(name => PRESETS[name]))

function inferred(env: NodeJS.ProcessEnv): string[] {
  const isHeroku = env.PORT && (env.DYNO || env.HEROKU_APP_ID)
  return [...(env.FLY_APP_NAME ? ['fly'] : []), ...(isHeroku ? ['heroku'] : [])]
}
