/**
 * Bundles the command `hotcable` for plain Node: JavaScript modules, one for each part that is loaded lazily.
 */
import { fileURLToPath } from 'node:url'
import { build, type Metafile, type Plugin } from 'esbuild'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The package has the page's scripts as files. It must not build them, even in an app that has esbuild. */
const noEsbuild: Plugin = {
  name: 'no-esbuild',
  setup(build) {
    build.onResolve({ filter: /^esbuild$/ }, () => ({ path: 'esbuild', namespace: 'absent' }))
    build.onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: "throw new Error('esbuild is not here')" }))
  },
}

/** The library of gRPC also has servers, and services that describe themselves by files with .proto: 80 KB that no client runs. */
const clientOfGrpc: Plugin = {
  name: 'client-of-grpc',
  setup(build) {
    build.onResolve({ filter: /^@grpc\/proto-loader$|^\.\/server(-interceptors)?$/ }, ({ path, importer }) =>
      importer.includes('/@grpc/grpc-js/') ? { path, namespace: 'empty' } : undefined,
    )
    build.onLoad({ filter: /./, namespace: 'empty' }, () => ({ contents: '' }))
  },
}

/** Writes main.js and its parts into `folder`. Returns esbuild's list of what is in them. */
export async function bundleCommand(folder: string): Promise<Metafile> {
  const { metafile } = await build({
    // (A thread begins with a file.)
    entryPoints: { main: 'cli/main.ts', 'outbox-sqlite-thread': 'server/broadcast/outbox-sqlite-thread.ts' },
    absWorkingDir: ROOT,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // (Names stay: they stand in stacks.)
    minifyWhitespace: true,
    target: 'node20.12',
    // (An image does not have the tsconfig files.)
    tsconfigRaw: '{}',
    // Libraries in CommonJS require Node's modules.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'\nconst require = __createRequire(import.meta.url)",
    },
    chunkNames: '[name]-[hash]',
    plugins: [noEsbuild, clientOfGrpc],
    // client/licences.ts writes all licences into one file.
    legalComments: 'none',
    metafile: true,
  })
  return metafile
}
