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
  const text = plain(read(join(folder, '.env')))
  const ours = Object.entries(parseEnv(text)).filter(
    ([name]) => /^(ANYCABLE|HOTCABLE)_/.test(name) && env[name] === undefined,
  )
  for (const [, name] of text.matchAll(AMBIGUOUS))
    if (ours.some(([own]) => own === name))
      throw new Error(`.env: ${name} has a # in its value, where some programs cut it off: choose a value without it`)
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

/** If a value is only spaces, parseEnv reads the next line as the value. Older versions of Node fail on tabs and byte order marks. */
const plain = (text: string): string =>
  text
    .replace(/^\uFEFF/, '')
    .replaceAll(/[ \t]+(?=\r?$)/gm, '')
    .replaceAll(/^[ \t]*(export[ \t]+)?/gm, '')

/**
 * A # right behind another character, outside of quotes: a shell, Docker and Python read it as a part of the value, Node, Ruby and
 * PHP as the start of a comment. The app and the cable would have different secrets.
 */
const AMBIGUOUS = /^(\w+)[ \t]*=[ \t]*[^\s"'`#](?:[^\n#]*[^\s#])?#/gm
