/**
 * The .env file of a folder. The cable takes only ANYCABLE_… and HOTCABLE_… from it: an app's PORT and HOST are in there too.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

export interface DotEnv {
  /** Variables of `env` win, even empty ones. */
  readonly env: NodeJS.ProcessEnv
  /** The variables that the file has set. */
  readonly names: readonly string[]
}

/** Returns `env` as it is if there is no .env. Throws an Error with a sentence if there is one that cannot be read. */
export function withDotEnv(env: NodeJS.ProcessEnv, folder: string): DotEnv {
  const ours = Object.entries(parseEnv(read(join(folder, '.env')))).filter(
    ([name]) => /^(ANYCABLE|HOTCABLE)_/.test(name) && env[name] === undefined,
  )
  return { env: { ...Object.fromEntries(ours), ...env }, names: ours.map(([name]) => name) }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    // (Python's virtual environments are folders that may have this name.)
    if (code === 'ENOENT' || code === 'EISDIR') return ''
    throw new Error(`.env cannot be read: ${code === 'EACCES' ? 'this user may not read it' : code}`, { cause })
  }
}
