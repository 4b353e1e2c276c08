/**
 * An app that was there before: its own server, its own scripts and headers, and a cable on another origin.
 *
 *   page ──▶ app            HTML, forms, downloads
 *     ╰────▶ cable          hotcable.js, and the WebSocket; with `proxied` by the app's /cable alone
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test as base, type ConsoleMessage, type Page } from 'playwright/test'
import {
  broadcast,
  metaTags,
  position,
  scriptTag,
  streamFrom,
  turboStream,
} from '../../backends/typescript/hotcable.ts'
import { startTurboCable, type TurboCable } from '../../testing/cable.ts'
import { SECRET } from './demo.ts'

export const TURBO = 'node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js'

/** As the gem has it. */
export const TURBO_RAILS = 'node_modules/@hotwired/turbo-rails/app/assets/javascripts/turbo.js'

export type Route = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

export interface ExistingApp {
  readonly origin: string
  /** Where pages find the cable: `ws://127.0.0.1:…/cable`. */
  readonly cableUrl: string
  /** The cable's URL through the app, which passes on /cable and what is below it. */
  readonly proxiedUrl: string
  readonly routes: Map<string, Route>
  /** A page that listens to the stream `cards`. `head` comes before the script. */
  page: (parts: {
    head?: string
    body?: string
    url?: string
    script?: Parameters<typeof scriptTag>[0]
  }) => Promise<string>
  send: (html: string) => Promise<void>
  /** Appends to `#cards`. */
  add: (html: string) => Promise<void>
}

export const test = base.extend<{ app: ExistingApp; said: string[] }, { cable: TurboCable }>({
  cable: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads what a fixture needs from this pattern
    async ({}, use) => {
      const cable = await startTurboCable(SECRET)
      await use(cable)
      await cable.stop()
    },
    { scope: 'worker' },
  ],
  app: async ({ cable }, use) => {
    const app = await startApp(cable)
    await use(app)
    await app.close()
  },
  /** What the console of the page said: warnings and errors. */
  said: async ({ page }, use) => {
    const said: string[] = []
    page.on('console', message => isComplaint(message) && said.push(message.text()))
    page.on('pageerror', error => said.push(String(error)))
    await use(said)
  },
})

const isComplaint = (message: ConsoleMessage): boolean =>
  ['warning', 'error'].includes(message.type()) && !isOfSlowMachine(message)

/** A page has no position if its app waited for longer than 250 ms, as on a busy machine. Tests of positions do not ask this. */
export const isOfSlowMachine = (message: ConsoleMessage): boolean =>
  message.text().includes('the app could not ask the cable for the position')

export const serve =
  (html: string | (() => string | Promise<string>), headers: Record<string, string> = {}): Route =>
  async (_, response) => {
    const body = typeof html === 'string' ? html : await html()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(body)
  }

export const script =
  (path: string): Route =>
  async (_, response) =>
    void response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(path))

/** A mark in the page that a full load removes. */
export const mark = (page: Page): Promise<void> => page.evaluate(() => void Object.assign(window, { marked: true }))
export const isMarked = (page: Page): Promise<boolean> => page.evaluate(() => 'marked' in window)

async function startApp(cable: TurboCable): Promise<ExistingApp & { close: () => Promise<void> }> {
  const routes = new Map<string, Route>()
  const { port: cablePort } = new URL(cable.url)
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '', 'http://app.test').pathname
    const route = routes.get(`${request.method} ${path}`)
    if (path.startsWith('/cable')) return passOn(request, response, cablePort)
    if (path === '/favicon.ico') return void response.writeHead(204).end()
    if (route === undefined) return void response.writeHead(404).end()
    await route(request, response)
  })
  server.on('upgrade', (request, client, head) => {
    const upstream = connect(Number(cablePort), '127.0.0.1')
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`)
    upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    upstream.write(head)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const backend = { url: cable.broadcast, key: cable.key }
  return {
    origin: `http://127.0.0.1:${port}`,
    cableUrl: cable.url,
    proxiedUrl: `ws://127.0.0.1:${port}/cable`,
    routes,
    page: async ({ head = '', body = '', url = cable.url, script = {} }) => {
      const at = await position('cards', backend)
      return `<!DOCTYPE html><html><head><meta charset="utf-8"><title>App</title><link rel="icon" href="data:,">
        ${metaTags({ user: 7 }, { url, secret: SECRET })}${head}${scriptTag({ url, ...script })}</head>
        <body><hotcable-status></hotcable-status>${streamFrom('cards', at, { secret: SECRET })}
        <ul id="cards"></ul>${body}</body></html>`
    },
    send: html => broadcast('cards', html, backend),
    add: html => broadcast('cards', turboStream('append', 'cards', html), backend),
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

async function passOn(request: IncomingMessage, response: ServerResponse, port: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${port}${request.url}`)
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
  response.end(Buffer.from(await answer.arrayBuffer()))
}
