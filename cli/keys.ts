/** The keys that a cable started here would have: from the environment, .env and anycable.toml. */
import type { Secret } from '../server/auth/keys.ts'
import type { Config } from '../server/config/config.ts'
import { type FileSettings, readConfigFile } from '../server/config/config-file.ts'
import { withDotEnv } from '../server/config/dot-env.ts'
import { ConfigInvalid, readConfig } from '../server/config/read.ts'
import { turboAndEvents } from '../server/config/usual.ts'
import type { Io } from './io.ts'

export interface Keys {
  /** With the variables of .env. */
  readonly env: NodeJS.ProcessEnv
  /** Signs tokens. */
  readonly jwt: string | undefined
  /** Whether an identity provider signs tokens, and no secret does. */
  readonly hasProvider: boolean
  /** The parameter of the query, and behind `x-` the header, that carries a token. */
  readonly jwtParam: string
  /** Signs the names of Turbo streams. */
  readonly streams: Secret | undefined
  /** The purpose that signed names must have; empty: they must have none. */
  readonly purpose: string
  /** `undefined`: broadcasts need no key. */
  readonly broadcast: string | undefined
}

/** If the environment has a mistake, reports it and returns `undefined`. */
export async function readKeys(io: Pick<Io, 'env' | 'cwd' | 'stderr'>): Promise<Keys | undefined> {
  const here = await readHere(io)
  if (here === undefined) return undefined
  const { jwtSecrets, jwtParam, publicTokens, turbo, streamsPurpose, broadcastKeys } = here.config
  const hasProvider = publicTokens !== undefined
  return {
    env: here.env,
    jwt: hasProvider ? undefined : jwtSecrets[0],
    hasProvider,
    jwtParam,
    streams: turbo?.secrets[0],
    purpose: streamsPurpose,
    broadcast: broadcastKeys[0],
  }
}

/** Returns the whole configuration, and the environment with the variables of .env; `undefined` as above. */
export async function readHere({ env: given, cwd, stderr }: Pick<Io, 'env' | 'cwd' | 'stderr'>) {
  try {
    const { env } = withDotEnv(given, cwd)
    const { settings } = await readConfigFile([], cwd)
    return { env, config: readLeniently(env, settings) }
  } catch (error) {
    const problems = error instanceof ConfigInvalid ? error.problems : [(error as Error).message]
    for (const problem of problems) stderr.write(`hotcable: ${problem}\n`)
    return undefined
  }
}

/** Also reads an environment in which a cable would refuse to start: without a secret, or with one for development. */
export const readLeniently = (env: NodeJS.ProcessEnv, file?: FileSettings): Config =>
  readConfig(['--noauth', '--dev'], env, turboAndEvents, file)
