/**
 * Variables that look like settings but are not.
 *
 *   HOTCABLE_…   an error: the name is ours, so it is misspelt, and a limit or a secret would be missing
 *   ANYCABLE_…   a warning: AnyCable has many more, and an environment that works with it has to work here
 *
 * Pure.
 */
import { nearest } from '../base/nearest.ts'
import { ANYCABLE_VARIABLES } from './anycable-flags.ts'
import { envNames, SETTINGS, type SettingName } from './settings.ts'

export interface UnknownVariables {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

export function findUnknownVariables(env: NodeJS.ProcessEnv): UnknownVariables {
  const unknown = Object.entries(env)
    .filter(([name, value = '']) => value !== '' && !NAMES.includes(name) && !OF_OTHER_PROGRAMS.test(name))
    .filter(([name, value = '']) => !isOfKubernetes(name, value))
    .map(([name]) => name)
  return {
    problems: unknown
      .filter(name => name.startsWith('HOTCABLE_'))
      .map(name => `${name} is not a variable of this cable: ${didYouMean(name) || 'remove it from the environment'}`),
    warnings: unknown
      .filter(name => name.startsWith('ANYCABLE_'))
      .map(name => {
        const why = ANYCABLE_VARIABLES.get(name)
        if (why !== undefined) return `${name} has no effect here: ${why}`
        return `${name} is not a setting of this cable, so it has no effect here. ${didYouMean(name)}`.trim()
      }),
  }
}

const NAMES = (Object.keys(SETTINGS) as SettingName[]).flatMap(name => envNames(name))

/** Variables of the helpers, the apps, the commands and the tests, which may share an environment with the cable. */
const OF_OTHER_PROGRAMS =
  /^(ANYCABLE_(HTTP_BROADCAST|WEBSOCKET)_URL|HOTCABLE_(DB|ASSETS|TOKEN|CABLE_URL|BOARD_[A-Z0-9]+_URL|RAILS_DEFAULTS|(TEST_)?SEED|TEST_(BROKER|REDIS|NODES|WORKERS)|FUZZ|E2E_\w+))$/

/** Variables that Kubernetes sets in every container for a service with the name hotcable or hotcable-…. */
const isOfKubernetes = (name: string, value: string): boolean =>
  /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/.test(name) ||
  (name.endsWith('_PORT') && /^(tcp|udp|sctp):/.test(value))

/** Compares without the prefix, because settings that AnyCable has too begin with ANYCABLE_. */
function didYouMean(name: string): string {
  const bare = nearest(withoutPrefix(name), NAMES.map(withoutPrefix))
  const meant = NAMES.find(candidate => withoutPrefix(candidate) === bare)
  return meant === undefined ? '' : `did you mean ${meant}?`
}

const withoutPrefix = (name: string): string => name.replace(/^(ANYCABLE|HOTCABLE)_/, '')
