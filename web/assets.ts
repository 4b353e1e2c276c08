/**
 * Scripts and styles of the pages, built when the Board starts and kept in memory: there is no build step and no folder.
 *
 *   hotcable.js  hotcable-streams.js  rails.js  rails-gem.js  board.js  people.js  retry.js  debug.js  board.css  icon.svg
 *
 * No URL has a hash in its name, because pages of all languages name it. Browsers ask each time and get 304 when nothing
 * changed.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type BuildOptions, build, context, type OutputFile, type Plugin } from 'esbuild'
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

/** With presence, which the other scripts are built without. */
const PEOPLE: BuildOptions = { ...OPTIONS, entryPoints: [client('people.ts')], plugins: [] }

interface Asset {
  content: Uint8Array<ArrayBuffer>
  /** Made for the first browser that takes it. */
  zipped?: Uint8Array<ArrayBuffer>
  type: string
  etag: string
}

/** Builds them; with `watch` also whenever a source changes. Throws esbuild's error when a source does not compile. */
export async function createAssets({ watch = false } = {}): Promise<Assets> {
  const builds: BuildOptions[] = [OPTIONS, PEOPLE]
  const built = await Promise.all(builds.map(options => build(options)))
  let assets = load(built.flatMap(({ outputFiles }) => outputFiles!))
  const onEnd = (files: OutputFile[] | undefined) => {
    if (files !== undefined && files.length > 0) assets = new Map([...assets, ...load(files)])
  }
  const keep: Plugin = { name: 'keep', setup: b => b.onEnd(r => onEnd(r.outputFiles)) }
  const watchers = !watch
    ? []
    : await Promise.all(
        builds.map(options =>
          context({ ...options, logLevel: 'warning', plugins: [...(options.plugins ?? []), keep] }),
        ),
      )
  await Promise.all(watchers.map(watcher => watcher.watch()))
  return {
    handler: async (c, next) => {
      const asset = assets.get(c.req.param('name') ?? '')
      if (asset === undefined) return next()
      const headers = {
        ETag: asset.etag,
        'Cache-Control': 'no-cache',
        'Content-Type': asset.type,
        'Access-Control-Allow-Origin': '*',
        Vary: 'Accept-Encoding',
      }
      if (matches(c.req.header('if-none-match'), asset.etag)) return c.body(null, 304, headers)
      if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(asset.content, 200, headers)
      asset.zipped ??= new Uint8Array(gzipSync(asset.content))
      return c.body(asset.zipped, 200, { ...headers, 'Content-Encoding': 'gzip' })
    },
    close: async () => void (await Promise.all(watchers.map(watcher => watcher.dispose()))),
  }
}

const load = (files: readonly OutputFile[]): Map<string, Asset> =>
  new Map(
    files.map(({ path, contents }) => {
      const name = basename(path)
      // Weak, because the compressed answer has the same.
      const etag = `W/"${createHash('sha256').update(contents).digest('hex').slice(0, 16)}"`
      return [name, { content: new Uint8Array(contents), type: TYPES[name.split('.').at(-1)!]!, etag }]
    }),
  )

const matches = (asked: string | undefined, etag: string): boolean =>
  asked?.split(',').some(tag => tag.trim() === etag) ?? false
