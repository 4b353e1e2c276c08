/** What source files import, without running them: the specifiers of static and dynamic imports. */
import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'

export interface Import {
  readonly file: string
  /** As written: `../base/clock.ts`, `node:fs`, `@hotwired/turbo`. */
  readonly specifier: string
}

/** Sources of the cable and of the page's scripts: without tests, and what only tests use. */
export const CABLE = ['server/**/*.{ts,cjs}', 'client/**/*.{ts,js}'] as const
const TESTS = ['**/*.test.ts', 'server/test/**', 'client/built/**']

/** The files of a project in `folder`, relative to it. */
export const sourcesOf = (folder: string, patterns: readonly string[]): string[] =>
  globSync(patterns, { cwd: folder, exclude: TESTS }).sort()

export function importsOf(folder: string, files: readonly string[]): Import[] {
  return files.flatMap(file =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(IMPORT)].map(([, specifier]) => ({
      file,
      specifier: specifier!,
    })),
  )
}

/** The file that a relative specifier means, relative to the project; `undefined`: a package, or a part of Node. */
export const targetOf = ({ file, specifier }: Import): string | undefined =>
  specifier.startsWith('.') && !IN_PACKAGE.test(specifier) ? join(dirname(file), specifier) : undefined

/** The packages that these imports need. */
export const packagesOf = (imports: readonly Import[]): string[] =>
  [...new Set(imports.flatMap(({ specifier }) => packageOf(specifier) ?? []))].sort()

function packageOf(specifier: string): string | undefined {
  const path = specifier.replace(IN_PACKAGE, '')
  return path.startsWith('.') || isBuiltin(path) ? undefined : /^(?:@[^/]+\/)?[^/]+/.exec(path)![0]
}

/** A file of a package, which its package does not export. */
const IN_PACKAGE = /^(?:\.\.\/)+node_modules\//

const IMPORT = /(?:^(?:import|export) (?:[^'"]*? from )?|^\} from |\bimport\(|^import )'([^'\n]+)'/gm
