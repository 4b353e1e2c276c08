/**
 * Scripts and styles of the pages, built when the Board starts and kept in memory: there is no build step and no folder.
 *
 *   hotcable.js  hotcable-streams.js  rails.js  rails-gem.js  board.js  retry.js  debug.js  board.css  icon.svg
 *
 * No URL has a hash in its name, because pages of all languages name it. Browsers ask each time and get 304 when nothing
 * changed.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, context, type OutputFile } from 'esbuild'
import type { Handler } from 'hono'
import { OPTIONS as CLIENT, ENTRIES } from '../client/bundle.ts'

export interface Assets {
  /** Serves `/assets/:name`, and calls the next handler for an unknown name. */
  handler: Handler
  close: () => Promise<void>
}

const client = (name: string): string => fileURLToPath(new URL(`client/${name}`, import.meta.url))

const OPTIONS = {
  ...CLIENT,
  entryPoints: [
    ...ENTRIES,
    ...['rails.ts', 'rails-gem.ts', 'board.ts', 'retry.ts', 'debug.ts', 'board.css', 'icon.svg'].map(client),
  ],
  // The Board in Rails serves it from its gem.
  alias: { 'rails/turbo.min.js': '/rails/turbo.min.js' },
  external: ['/rails/turbo.min.js'],
  outdir: '/assets',
  assetNames: '[name]',
  loader: { '.svg': 'copy' },
} as const satisfies BuildOptions

const TYPES: Record<string, string> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  map: 'application/json',
}

interface Asset {
  content: Uint8Array<ArrayBuffer>
  type: string
  etag: string
}

/** Builds them; with `watch` also whenever a source changes. Throws esbuild's error when a source does not compile. */
export async function createAssets({ watch = false } = {}): Promise<Assets> {
  let assets = load((await build(OPTIONS)).outputFiles)
  const onEnd = (files: OutputFile[] | undefined) => {
    if (files !== undefined && files.length > 0) assets = load(files)
  }
  const plugins = [
    ...OPTIONS.plugins,
    { name: 'keep', setup: (b: import('esbuild').PluginBuild) => b.onEnd(r => onEnd(r.outputFiles)) },
  ]
  const watcher = watch ? await context({ ...OPTIONS, logLevel: 'warning', plugins }) : undefined
  await watcher?.watch()
  return {
    handler: async (c, next) => {
      const asset = assets.get(c.req.param('name') ?? '')
      if (asset === undefined) return next()
      const headers = {
        ETag: asset.etag,
        'Cache-Control': 'no-cache',
        'Content-Type': asset.type,
        'Access-Control-Allow-Origin': '*',
      }
      if (matches(c.req.header('if-none-match'), asset.etag)) return c.body(null, 304, headers)
      return c.body(asset.content, 200, headers)
    },
    close: async () => watcher?.dispose(),
  }
}

const load = (files: readonly OutputFile[]): Map<string, Asset> =>
  new Map(
    files.map(({ path, contents }) => {
      const name = basename(path)
      const etag = `"${createHash('sha256').update(contents).digest('hex').slice(0, 16)}"`
      return [name, { content: new Uint8Array(contents), type: TYPES[name.split('.').at(-1)!]!, etag }]
    }),
  )

const matches = (asked: string | undefined, etag: string): boolean =>
  asked?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag) ?? false
