/** Where the page's scripts are: at the root, and below each path of clients. Pure. */
import { SCRIPTS } from '../../client/bundle.ts'

export const scriptPaths = (paths: readonly string[]): string[] =>
  ['', ...paths.map(path => path.replace(/\/$/, ''))].flatMap(path => SCRIPTS.map(name => `${path}/${name}`))
