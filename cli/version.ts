/** The version in package.json, which is one folder above this one in the clone and in the package. */
import { readFileSync } from 'node:fs'

export const version = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version
