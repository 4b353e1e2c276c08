/**
 * Variables that look like settings but are not.
 *
 *   HOTCABLE_…   unknown   an error: the name is ours, so it is misspelt, and a limit or a secret would be missing
 *   ANYCABLE_…   unknown   a warning: AnyCable has many more, and an environment that works with it has to work here
 *
 * Pure.
 */
import { nearest } from './nearest.ts'
import { envNames, SETTINGS, type SettingName } from './settings.ts'

export interface Strangers {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

export function findStrangers(env: NodeJS.ProcessEnv): Strangers {
  const strangers = Object.entries(env)
    .filter(([name, value = '']) => value !== '' && !NAMES.includes(name) && !OF_NEIGHBOURS.test(name))
    .filter(([name, value = '']) => !isOfKubernetes(name, value))
    .map(([name]) => name)
  return {
    problems: strangers
      .filter(name => name.startsWith('HOTCABLE_'))
      .map(name => `${name} is not a variable of this cable: ${didYouMean(name) || 'take it out of the environment'}`),
    warnings: strangers
      .filter(name => name.startsWith('ANYCABLE_'))
      .map(name =>
        `${name} is set, and is not a setting of this cable: it does nothing here. ${didYouMean(name)}`.trim(),
      ),
  }
}

const NAMES = (Object.keys(SETTINGS) as SettingName[]).flatMap(name => envNames(name))

/** What the helpers, the Boards and the tests read, with which the cable may share its environment. */
const OF_NEIGHBOURS =
  /^(ANYCABLE_(HTTP_BROADCAST|WEBSOCKET)_URL|HOTCABLE_(DB|ASSETS|(CABLE|PYTHON|PHP|RUBY|RAILS)_URL|RAILS_DEFAULTS|SEED|FUZZ|E2E_\w+))$/

/** What Kubernetes sets in every container for a service that is called hotcable or hotcable-…. */
const isOfKubernetes = (name: string, value: string): boolean =>
  /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):/.test(value))

/** The prefix does not count: settings that AnyCable has too begin with its name. */
function didYouMean(name: string): string {
  const bare = nearest(withoutPrefix(name), NAMES.map(withoutPrefix))
  const meant = NAMES.find(candidate => withoutPrefix(candidate) === bare)
  return meant === undefined ? '' : `did you mean ${meant}?`
}

const withoutPrefix = (name: string): string => name.replace(/^(ANYCABLE|HOTCABLE)_/, '')
