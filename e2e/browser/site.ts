/**
 * A small application beside its cable; a test writes its pages and its mistakes.
 *
 *   page ──▶ site ──▶ the test's answer
 *             ╰─────▶ cable      dies, comes back on its port, with other settings
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { basename } from 'node:path'
import { type BrowserContext, test as base, expect, type Locator, type Page } from 'playwright/test'
import { broadcast, broadcastKey, type Identity, metaTags, streamFrom } from '../../backends/typescript/hotcable.ts'
import { freePorts } from '../../start/network.ts'
import { look, SECRET } from './demo.ts'
import { bundle, type Script } from './site-scripts.ts'
import { type RestartableCable, restartableCable } from './stack.ts'

export interface SiteRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Its arrival, in ms. */
  readonly at: number
}

/** HTML, or a whole answer. */
export type SiteAnswer = string | { status?: number; headers?: Record<string, string>; body?: string }

export interface Visitor {
  /** The identity in the token of the WebSocket's request. */
  readonly identity: string
  isOpen: boolean
}

export interface Site {
  readonly origin: string
  readonly cable: RestartableCable
  /** Sets the answer to a path from now on, for any method. */
  on: (path: string, answer: (asked: SiteRequest) => SiteAnswer | Promise<SiteAnswer>) => void
  /** The requests for a path so far. */
  asked: (path: string) => readonly SiteRequest[]
  /** WebSockets so far. */
  readonly visitors: readonly Visitor[]
  broadcast: (stream: string, html: string) => Promise<void>
  /** A whole page that listens to its streams. */
  page: (client: Script, body: string, parts?: Parts) => Promise<string>
  /** The tag for a stream, at its present position. */
  source: (stream: string) => Promise<string>
}

interface Parts {
  head?: string
  streams?: readonly string[]
  /** `undefined`: a page for no user, without meta tags. */
  identity?: Identity | undefined
  ttl?: number
}

/** Not the URL that clients use if no page names one. */
const CABLE_PATH = '/live/cable'

interface Fixtures {
  site: Site
  /** Opens a page in a new browser. */
  open: (path: string) => Promise<Page>
}

export const test = base.extend<Fixtures, { server: Site & { reset: () => void } }>({
  server: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from this pattern
    async ({}, use) => {
      const { site, close } = await startSite()
      await use(site)
      await close()
    },
    { scope: 'worker' },
  ],
  site: async ({ server }, use) => {
    server.reset()
    await server.cable.start()
    await use(server)
  },
  open: async ({ browser, site }, use) => {
    const contexts: BrowserContext[] = []
    await use(async path => {
      const context = await browser.newContext({ permissions: ['local-network-access'] })
      contexts.push(context)
      const page = await context.newPage()
      await page.goto(site.origin + path)
      return page
    })
    for (const context of contexts) await context.close()
  },
})

export { expect, look }

/** Makes the page miss something: its cable dies, and forgets everything. */
export async function miss(site: Site, ...settings: string[]): Promise<void> {
  await site.cable.kill()
  await site.cable.start(...settings)
}

/** Serves a page that counts its renders (apart from those for a token); returns the count so far. */
export function serveCounted(site: Site, client: Script, body = '', path = '/', parts: Parts = {}): () => number {
  let renders = 0
  site.on(path, async ({ headers }) => {
    if (headers['x-anycable-operation'] === undefined) renders++
    return site.page(client, `<p id="renders">${renders}</p><p id="said"></p>${body}`, parts)
  })
  return () => renders
}

export const renders = (page: Page): Locator => page.locator('#renders')

/** Broadcasts until the page shows it: then its stream is subscribed. */
export const hear = (site: Site, page: Page, words = 'new'): Promise<void> =>
  expect(async () => {
    await site.broadcast(
      'news',
      `<turbo-stream action="update" target="said"><template>${words}</template></turbo-stream>`,
    )
    await expect(page.locator('#said')).toHaveText(words, { timeout: 500 })
  }).toPass()

async function startSite(): Promise<{ site: Site & { reset: () => void }; close: () => Promise<void> }> {
  const [cablePort] = (await freePorts(1)) as [number]
  const scripts = await bundle()
  const routes = new Map<string, (asked: SiteRequest) => SiteAnswer | Promise<SiteAnswer>>()
  const requests: SiteRequest[] = []
  const visitors: Visitor[] = []
  const cable = restartableCable(cablePort, '--heal_delay=0')

  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').split('?')[0]!
    const script = scripts.get(basename(path))
    if (script !== undefined) return void response.setHeader('content-type', 'text/javascript').end(script)
    const at = performance.now()
    let body = ''
    for await (const chunk of request) body += chunk
    const asked = { method: request.method ?? '', path, headers: request.headers, body, at }
    requests.push(asked)
    const answer = await routes.get(path)?.(asked)
    send(response, answer ?? { status: 404 })
  })
  server.on('upgrade', (request, client: Socket, head: Buffer) => {
    const url = new URL(request.url ?? '', 'http://localhost')
    const protocols = request.headers['sec-websocket-protocol'] ?? ''
    const token = /anycable-token\.([\w.-]+)/.exec(protocols)?.[1] ?? url.searchParams.get('jid') ?? ''
    const visitor = { identity: identityOf(token), isOpen: true }
    visitors.push(visitor)
    if (url.pathname !== CABLE_PATH) {
      visitor.isOpen = false
      return void client.destroy()
    }
    const upstream = connect(cablePort, '127.0.0.1')
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)
    upstream.write(`GET /cable${url.search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    upstream.write(head)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.pipe(to)
      from.on('error', () => {})
      from.on('close', () => {
        visitor.isOpen = false
        to.destroy()
      })
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const http = { url: `http://127.0.0.1:${cablePort}/_broadcast`, key: broadcastKey({ secret: SECRET }) }

  // Not by the helper: it waits 250 ms at most, and the machine may be busy.
  const position = async (): Promise<string> => {
    const headers = { authorization: `Bearer ${http.key}` }
    const answer = await fetch(`${http.url}/position?stream=news`, { headers }).catch(() => undefined)
    return answer === undefined ? '-' : ((await answer.json()) as { position: string }).position
  }
  const source = async (stream: string) => streamFrom(stream, await position(), { secret: SECRET })
  const site: Site & { reset: () => void } = {
    origin: `http://localhost:${port}`,
    cable,
    on: (path, answer) => void routes.set(path, answer),
    asked: path => requests.filter(each => each.path === path),
    visitors,
    broadcast: (stream, html) => broadcast(stream, html, http),
    source,
    async page(client, body, parts = {}) {
      const { head = '', streams = ['news'], ttl = 3600 } = parts
      const identity = 'identity' in parts ? parts.identity : { id: 'ada' }
      const url = `ws://localhost:${port}${CABLE_PATH}`
      const metas = identity === undefined ? '' : metaTags(identity, { url, secret: SECRET, ttl })
      const sources = await Promise.all(streams.map(source))
      return `<!DOCTYPE html><html><head><meta charset="utf-8"><title>Site</title><link rel="icon" href="data:,">${head}
${metas}<script type="module" src="/${client}.js"></script></head>
<body><hotcable-status id="cable-status"></hotcable-status>${sources.join('\n')}${body}</body></html>`
    },
    reset() {
      routes.clear()
      requests.length = 0
      visitors.length = 0
    },
  }
  return {
    site,
    close: async () => {
      await cable.kill()
      server.closeAllConnections()
      server.close()
    },
  }
}

function send(response: ServerResponse, answer: SiteAnswer): void {
  const { status = 200, headers = {}, body = '' } = typeof answer === 'string' ? { body: answer } : answer
  const type = body === '' ? {} : { 'content-type': 'text/html; charset=utf-8' }
  response.writeHead(status, { 'cache-control': 'no-store', ...type, ...headers }).end(body)
}

function identityOf(token: string): string {
  try {
    return JSON.parse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).ext).id
  } catch {
    return ''
  }
}
