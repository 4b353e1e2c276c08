/** The keys that the environment's settings stand for: those of a cable that starts in it. */
import type { Secret } from '../server/auth/keys.ts'
import { ConfigInvalid, readConfig } from '../server/config/read.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import type { Io } from './io.ts'

export interface Keys {
  /** Signs tokens. */
  readonly jwt: string | undefined
  /** The parameter of the query, and behind `x-` the header, that carries a token. */
  readonly jwtParam: string
  /** Signs the names of Turbo streams. */
  readonly streams: Secret | undefined
  /** The purpose that signed names must have; empty: they must have none. */
  readonly purpose: string
  /** `undefined`: broadcasts need no key. */
  readonly broadcast: string | undefined
}

/** Reports the problems of the environment, and returns `undefined`, if no cable could start in it. */
export function readKeys({ env, stderr }: Pick<Io, 'env' | 'stderr'>): Keys | undefined {
  try {
    const { jwtSecrets, jwtParam, turbo, streamsPurpose, broadcastKeys } = readConfig(
      WITHOUT_SECRETS,
      env,
      turboAndEvents,
    )
    return {
      jwt: jwtSecrets[0],
      jwtParam,
      streams: turbo?.secrets[0],
      purpose: streamsPurpose,
      broadcast: broadcastKeys[0],
    }
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
    for (const problem of error.problems) stderr.write(`hotcable: ${problem}\n`)
    return undefined
  }
}

/** A cable needs a secret, and not one for development; an app's environment may have none. */
export const WITHOUT_SECRETS = ['--noauth', '--dev']
