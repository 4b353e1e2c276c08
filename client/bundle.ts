/**
 * Builds the page's scripts from this folder, in memory.
 *
 *   hotcable.js  hotcable-streams.js  and a .map of each
 *
 * An installation without esbuild uses the files that `npm run client` has written into client/built/.
 */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BuildOptions, Plugin } from 'esbuild'

export const SCRIPTS = ['hotcable.js', 'hotcable-streams.js'] as const
const FILES = SCRIPTS.flatMap(name => [name, `${name}.map`])

const inClient = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
export const BUILT = inClient('built')

export const ENTRIES: readonly string[] = SCRIPTS.map(name => inClient(name.replace('.js', '.ts')))

/** Only hotcable.ts brings a Turbo; the package of the streams uses that of the page. */
const pageTurbo: Plugin = {
  name: 'page-turbo',
  setup(build) {
    build.onResolve({ filter: /^@hotwired\/turbo$/ }, ({ importer }) =>
      /@anycable[\\/]turbo-stream/.test(importer) ? { path: inClient('page-turbo.ts') } : undefined,
    )
  },
}

/** The page's streams have no presence. */
const noPresence: Plugin = {
  name: 'no-presence',
  setup(build) {
    build.onLoad({ filter: /turbo-stream[\\/]presence_source_element\.js$/ }, () => ({
      contents: 'export class TurboPresenceSourceElement {}',
    }))
    build.onLoad({ filter: /core[\\/]channel[\\/]presence\.js$/ }, () => ({
      contents: 'export class Presence { reset() {} dispose() {} }',
    }))
  },
}

/** Removes calls of a logger that prints errors only (cable.ts). */
const noDebugLog: Plugin = {
  name: 'no-debug-log',
  setup(build) {
    build.onLoad({ filter: /@anycable[\\/](?:core|web)[\\/].*\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      return { contents: source.replaceAll(/^(\s*)this\.logger\.(?:debug|info|warn)\(.*\)$/gm, '$1void 0') }
    })
  },
}

export const OPTIONS = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: 'linked',
  plugins: [pageTurbo, noPresence, noDebugLog],
  write: false,
  logLevel: 'silent',
} satisfies BuildOptions

/** Returns the files by name. Rejects if there is neither esbuild nor a built file. */
export async function bundleClient(): Promise<ReadonlyMap<string, Uint8Array>> {
  let esbuild: typeof import('esbuild')
  try {
    esbuild = await import('esbuild')
  } catch (cause) {
    return await readBuilt(cause)
  }
  running++
  try {
    const { outputFiles } = await esbuild.build({ ...OPTIONS, entryPoints: [...ENTRIES], outdir: BUILT })
    return new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  } finally {
    // Its process would stay, and hold memory. A build that still runs would never end without it.
    if (--running === 0) await esbuild.stop()
  }
}

/** Builds that need esbuild's process, which all of them share. */
let running = 0

async function readBuilt(cause: unknown): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    return new Map(await Promise.all(FILES.map(async name => [name, await readFile(`${BUILT}/${name}`)] as const)))
  } catch {
    throw new Error('esbuild is not installed, and client/built/ does not have the files of `npm run client`', {
      cause,
    })
  }
}
