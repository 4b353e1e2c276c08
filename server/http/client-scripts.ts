/**
 * The page's scripts, at the root and below each path of clients, because a proxy may pass on only that path.
 *
 *   /hotcable.js  /cable/hotcable.js  /hotcable-streams.js  /cable/hotcable-streams.js   and a .map of each
 *
 * Pages of any origin load them. They are built at the first request, so a start waits for nothing.
 */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type Context, Hono } from 'hono'
import type { Log } from '../log.ts'
import { scriptPaths } from './script-paths.ts'

export interface ClientScriptParts {
  /** Returns the files by name. */
  build: () => Promise<ReadonlyMap<string, Uint8Array>>
  log: Log
}

interface Served {
  readonly plain: Uint8Array<ArrayBuffer>
  readonly zipped: Uint8Array<ArrayBuffer>
  readonly headers: Readonly<Record<string, string>>
}

export function createClientScripts(paths: readonly string[], { build, log }: ClientScriptParts): Hono {
  let served: Promise<ReadonlyMap<string, Served>> | undefined
  const answer = async (c: Context) => {
    served ??= build().then(prepareAll)
    let script: Served
    try {
      script = (await served).get(c.req.path.split('/').at(-1)!)!
    } catch (error) {
      served = undefined // (the next request tries again: a busy machine may not have had a process for it)
      const { message } = error as Error
      log.warn(`the page's scripts cannot be served: ${message}`)
      return c.text(`The script cannot be served: ${message}.\n`, 404, { 'Access-Control-Allow-Origin': '*' })
    }
    const { plain, zipped, headers } = script
    if (matches(c.req.header('if-none-match'), headers.ETag!)) return c.body(null, 304, headers)
    if (!/\bgzip\b/.test(c.req.header('accept-encoding') ?? '')) return c.body(plain, 200, headers)
    return c.body(zipped, 200, { ...headers, 'Content-Encoding': 'gzip' })
  }
  const routes = new Hono()
  for (const path of new Set(scriptPaths(paths))) routes.get(path, answer).get(`${path}.map`, answer)
  return routes
}

const prepareAll = async (files: ReadonlyMap<string, Uint8Array>): Promise<Map<string, Served>> =>
  new Map(await Promise.all([...files].map(async ([name, contents]) => [name, await prepare(name, contents)] as const)))

async function prepare(name: string, contents: Uint8Array): Promise<Served> {
  const digest = createHash('sha256').update(contents).digest('hex').slice(0, 16)
  return {
    plain: new Uint8Array(contents),
    zipped: new Uint8Array(await promisify(gzip)(contents)),
    headers: {
      'Content-Type': name.endsWith('.map') ? 'application/json' : 'text/javascript; charset=utf-8',
      // Weak, because the compressed answer has the same.
      ETag: `W/"${digest}"`,
      'Cache-Control': 'public, max-age=600',
      'Access-Control-Allow-Origin': '*',
      'X-Content-Type-Options': 'nosniff',
      Vary: 'Accept-Encoding',
    },
  }
}

const matches = (asked: string | undefined, etag: string): boolean =>
  asked?.split(',').some(tag => `W/${tag.trim().replace(/^W\//, '')}` === etag) ?? false
