/**
 * The Board in TypeScript, and the one origin that everything is reached through.
 *
 *   /  /cards…  /clear      the Board
 *   /python/ /php/ /ruby/   the same Board in other languages, behind us; /rails/ too, where its gems are
 *   /compare                all of them side by side
 *   /assets/…               what the pages load
 *   /events  (/cable)       the cable; its WebSocket is taken in main.ts
 *   /health
 */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { metaTags, position, streamFrom } from '../backends/typescript/hotcable.ts'
import type { Assets } from './assets.ts'
import { type Board, BoardBroken, BoardLocked } from './board.ts'
import type { Broadcasts } from './broadcasts.ts'
import { offersWebSocket } from './cable-proxy.ts'
import { FormRefused, readCard } from './form.ts'
import { cableUrl } from './origin.ts'
import { proxy } from './proxy.ts'
import { sameSite, securityHeaders } from './security.ts'
import { compare } from './views/compare.ts'
import { LANGUAGES, LINKS, type Neighbour, RAILS } from './views/languages.ts'
import { page } from './views/page.ts'
import { notFound, notRunning } from './views/plain.ts'
import { client, visitor } from './visitor.ts'

export interface AppParts {
  board: Board
  broadcasts: Broadcasts
  assets: Pick<Assets, 'handler'>
  /** Where the cable is, for /events: `http://127.0.0.1:8080`. */
  cable: string
  /** Where the other Boards are; one that is not named is not running here. */
  neighbours?: { readonly [name in Neighbour]?: string | undefined }
  /** What the helper would read from the environment. */
  hotcable?: { signing?: { secret: string }; backend?: { url: string }; cableUrl?: string }
}

export const STREAM = 'board/1'
const FORM_MAX_BYTES = 64 * 1024

export function createApp({ board, broadcasts, assets, cable, neighbours = {}, hotcable = {} }: AppParts): Hono {
  const { signing, backend } = hotcable
  const app = new Hono()
  app.use(securityHeaders(hotcable.cableUrl && new URL(hotcable.cableUrl).origin))
  app.all('/events', proxy({ to: cable, unreachable: comeBack }))
  app.use(sameSite, bodyLimit({ maxSize: FORM_MAX_BYTES, onError: c => c.text('That is too much.\n', 413) }))

  app.get('/', async c => {
    // In this order: a card that is added after the position was asked for is replayed to the page, even if the query
    // below did not see it yet. The other way round it would be missing for good.
    const at = await position(STREAM, backend)
    const cards = await board.cards()
    const source = streamFrom(STREAM, at, signing)
    const tags = metaTags({ visitor: visitor(c) }, { url: hotcable.cableUrl ?? cableUrl(c), ...signing })
    c.header('Cache-Control', 'no-store')
    c.header('Content-Type', 'text/html; charset=utf-8')
    return c.body(String(page({ cards, metaTags: tags, source, client: client(c) })))
  })
  app.post('/cards', async c => {
    const card = await board.add({
      ...readCard(new Uint8Array(await c.req.arrayBuffer()), c.req.header('content-type') ?? ''),
      backend: 'typescript',
    })
    await broadcasts.cardAdded(card)
    return c.redirect('/', 303)
  })
  app.post('/cards/:id{\\d+}/vote', async c => {
    const card = await board.vote(Number(c.req.param('id')))
    if (card !== undefined) await broadcasts.cardVoted(card)
    return c.redirect('/', 303)
  })
  app.post('/cards/:id{\\d+}/delete', async c => {
    const id = Number(c.req.param('id'))
    if (await board.remove(id)) await broadcasts.cardDeleted(id)
    return c.redirect('/', 303)
  })
  app.post('/clear', async c => {
    await board.clear()
    await broadcasts.boardCleared()
    return c.redirect('/', 303)
  })
  app.get('/compare', c => {
    // Here, so that the frames do not each make a visitor of their own.
    visitor(c)
    c.header('Cache-Control', 'no-store')
    return c.html(compare(neighbours.rails === undefined ? LANGUAGES : [...LANGUAGES, RAILS]))
  })
  app.get('/health', c => c.text('ok'))
  app.all('/cable', c => c.text('This is where WebSockets connect.\n', 426, { Upgrade: 'websocket' }))
  app.get('/assets/:name', assets.handler)

  for (const { name, href } of LINKS) {
    if (name === 'typescript') continue
    const mount = href.slice(0, -1)
    const to = neighbours[name]
    app.all(mount, c => c.redirect(href + new URL(c.req.url).search, 308))
    app.all(
      `${mount}/*`,
      to === undefined
        ? c => absent(c, name, 503)
        : proxy({ to, mount, whole: true, unreachable: c => absent(c, name, 502) }),
    )
  }

  for (const [path, allow] of METHODS) app.all(path, c => c.text('', 405, { Allow: allow }))
  app.notFound(c => {
    if (offersWebSocket(c.req.header('upgrade')))
      return c.text(`There is no WebSocket at ${c.req.path}: WebSockets are at /cable.\n`, 404)
    return c.html(notFound(), 404)
  })
  app.onError((error, c) => {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return c.text('The form broke off.\n', 400)
    if (error instanceof FormRefused) return c.text(`${error.message}\n`, error.status)
    if (error instanceof BoardLocked)
      return c.text('The database is locked. Try again in a moment.\n', 503, { 'Retry-After': '1' })
    if (error instanceof BoardBroken) {
      console.error(`web: ${error.message}`)
      return c.text('The database cannot be used; the log says why.\n', 500)
    }
    console.error(error)
    return c.text('Something broke here; the log has it.\n', 500)
  })
  return app
}

/** A page for who reads pages; for a script, an image or a health check, just the word. */
function absent(c: Context, name: Neighbour, status: 502 | 503): Response | Promise<Response> {
  c.header('Cache-Control', 'no-store')
  c.header('Retry-After', '2')
  if (c.req.header('accept')?.includes('text/html')) return c.html(notRunning(name, status === 502), status)
  return c.text(`${name} is not ${status === 502 ? 'answering' : 'running here'}\n`, status)
}

/**
 * The cable is not there to be listened to. A browser that is told so by a status never tries again, and the page goes
 * stale in silence; an event stream that only says when to come back keeps it coming.
 */
const comeBack = (c: Context): Response =>
  c.req.method === 'GET'
    ? c.body('retry: 3000\n\n', 200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    : c.text('The cable is not answering.\n', 502)

/** What each path answers to, once nothing above did. */
const METHODS = [
  ['/', 'GET'],
  ['/cards', 'POST'],
  ['/cards/:id{\\d+}/vote', 'POST'],
  ['/cards/:id{\\d+}/delete', 'POST'],
  ['/clear', 'POST'],
  ['/compare', 'GET'],
  ['/health', 'GET'],
] as const
