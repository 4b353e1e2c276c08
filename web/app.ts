/**
 * The Board in TypeScript, and the one origin through which a browser reaches everything.
 *
 *   /  /cards…  /clear      the Board
 *   /python/ /php/ …        the same Board in the other languages of backends/languages.json, by proxy
 *   /compare                all of them side by side
 *   /people                 the windows that are here
 *   /answer                 an answer that streams in
 *   /debug                  for developers: what the cable does, and what a pasted text is
 *   /assets/…               scripts and styles of the pages
 *   /hotcable.js …          the page's script for other apps, also below /cable, as a cable serves it
 *   /events  (/cable)       the cable; main.ts passes WebSockets on
 *   /health
 */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import {
  metaTags,
  position,
  publication,
  signStream,
  streamFrom,
  TURBO_STREAM,
  wantsTurboStream,
} from '../backends/typescript/hotcable.ts'
import { type Answers, streamOf } from './answers.ts'
import type { Assets } from './assets.ts'
import { type Board, BoardBroken, BoardLocked, type Tell } from './board.ts'
import { type Broadcasts, boardCleared, cardAdded, cardDeleted, cardVoted } from './broadcasts.ts'
import { offersWebSocket } from './cable-proxy.ts'
import { createDebug, type DebugOptions } from './debug.ts'
import { debugLink } from './debug-link.ts'
import { FormRefused, readCard, readQuestion } from './form.ts'
import { cableUrl } from './origin.ts'
import { proxy } from './proxy.ts'
import { sameSite, securityHeaders } from './security.ts'
import { answerPage } from './views/answer.ts'
import { compare } from './views/compare.ts'
import { LINKS, NEIGHBOURS } from './views/languages.ts'
import { page } from './views/page.ts'
import { peoplePage } from './views/people.ts'
import { notFound, notRunning } from './views/plain.ts'
import { rowId } from './views/row-id.ts'
import { client, visitor } from './visitor.ts'

export interface AppParts {
  board: Board
  /** `undefined`: the cable reads broadcasts from the Board's outbox. */
  broadcasts?: Broadcasts | undefined
  answers: Answers
  assets: Pick<Assets, 'handler'>
  /** The cable's URL, for /events: `http://127.0.0.1:8080`. */
  cable: string
  /** Serves /debug; `undefined`: not in production. */
  debug?: DebugOptions | undefined
  /** URLs of the other Boards; a Board without a URL is not running here. */
  neighbours?: { readonly [name: string]: string | undefined }
  /** The settings of the helper, in place of the environment. */
  hotcable?: { signing?: { secret: string }; backend?: { url: string }; cableUrl?: string }
}

export const STREAM = 'board/1'
/** For presence alone. */
const PEOPLE = 'people'
const FORM_MAX_BYTES = 64 * 1024

export function createApp({
  board,
  broadcasts,
  answers,
  assets,
  cable,
  debug,
  neighbours = {},
  hotcable = {},
}: AppParts): Hono {
  const { signing, backend } = hotcable
  const app = new Hono()
  app.use(securityHeaders(hotcable.cableUrl && new URL(hotcable.cableUrl).origin))
  app.all('/events', proxy({ to: cable, unreachable: comeBack }))
  if (debug !== undefined) app.use(debugLink).route('/debug', createDebug(debug))
  app.use(sameSite, bodyLimit({ maxSize: FORM_MAX_BYTES, onError: c => c.text('The form is too large.\n', 413) }))

  const metaTagsOf = (c: Context, known = visitor(c)) =>
    metaTags({ visitor: known }, { url: hotcable.cableUrl ?? cableUrl(c), ...signing })

  app.get('/', async c => {
    // Ask for the position before the query: the cable replays a card that is added in between. In the other order the
    // page would never get that card.
    const at = await position(STREAM, backend)
    const cards = await board.cards()
    const source = streamFrom(STREAM, at, signing)
    const tags = metaTagsOf(c)
    c.header('Cache-Control', 'no-store')
    c.header('Content-Type', 'text/html; charset=utf-8')
    return c.body(String(page({ cards, metaTags: tags, source, client: client(c) })))
  })
  /** Makes a change, and broadcasts what happened to all pages but its author's, which gets the same as its answer. */
  const announce = async <Changed>(
    c: Context,
    happened: (changed: Changed) => string,
    change: (tell: Tell<Changed>) => Promise<unknown>,
  ): Promise<Response> => {
    let html: string | undefined
    await change(changed => {
      html = happened(changed)
      return publication(STREAM, html, { exclude: author(c) })
    })
    if (html === undefined) return c.redirect('/', 303)
    await broadcasts?.send(html, author(c))
    return wantsTurboStream(c.req.header('accept'))
      ? c.body(html, 200, { 'Content-Type': TURBO_STREAM })
      : c.redirect('/', 303)
  }
  app.post('/cards', async c => {
    const form = readCard(new Uint8Array(await c.req.arrayBuffer()), c.req.header('content-type') ?? '')
    return announce(c, cardAdded, tell => board.add({ ...form, backend: 'typescript' }, tell))
  })
  app.post('/cards/:id{\\d+}/vote', c => announce(c, cardVoted, tell => board.vote(Number(c.req.param('id')), tell)))
  app.post('/cards/:id{\\d+}/delete', c => {
    const id = Number(c.req.param('id'))
    return announce(
      c,
      () => cardDeleted(id),
      tell => board.remove(id, tell),
    )
  })
  app.post('/clear', c => announce(c, boardCleared, board.clear))
  app.get('/compare', c => {
    // Set the cookie here: otherwise each frame would create another visitor.
    visitor(c)
    c.header('Cache-Control', 'no-store')
    return c.html(compare(LINKS.filter(({ name, isExtra }) => !isExtra || neighbours[name] !== undefined)))
  })
  app.get('/people', c => {
    const known = visitor(c)
    c.header('Cache-Control', 'no-store')
    const signedStreamName = signStream(PEOPLE, signing)
    // Every window reads the ids of all others, and the cookie is an identity.
    return c.html(peoplePage({ metaTags: metaTagsOf(c, known), signedStreamName, visitor: rowId('visitor', known) }))
  })
  app.get('/answer', c => {
    c.header('Cache-Control', 'no-store')
    return c.html(answerPage({ metaTags: metaTagsOf(c), source: '' }))
  })
  app.post('/answer', async c => {
    const question = readQuestion(new Uint8Array(await c.req.arrayBuffer()), c.req.header('content-type') ?? '')
    const answer = answers.ask(question)
    if (answer === undefined) return c.text('Too many answers are under way.\n', 503, { 'Retry-After': '5' })
    return c.redirect(`/answer/${answer.id}`, 303)
  })
  app.get('/answer/:id{[0-9a-f]+}', async c => {
    const at = await position([], backend)
    const answer = answers.get(c.req.param('id'))
    if (answer === undefined) return c.notFound()
    c.header('Cache-Control', 'no-store')
    const source = streamFrom(streamOf(answer), at, signing)
    return c.html(answerPage({ answer, metaTags: metaTagsOf(c), source }))
  })
  app.get('/health', c => c.text('ok'))
  app.all('/cable', c => c.text('This is where WebSockets connect.\n', 426, { Upgrade: 'websocket' }))
  app.get('/assets/:name', assets.handler)
  // Where script_tag() looks for it on the page of another app that takes this origin for its cable.
  for (const folder of ['', '/cable']) app.get(`${folder}/:name{hotcable[\\w.-]*}`, assets.handler)

  for (const { name, href } of NEIGHBOURS) {
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
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return c.text('The form arrived incomplete.\n', 400)
    if (error instanceof FormRefused) return c.text(`${error.message}\n`, error.status)
    if (error instanceof BoardLocked)
      return c.text('The database is locked. Try again in a moment.\n', 503, { 'Retry-After': '1' })
    if (error instanceof BoardBroken) {
      console.error(`web: ${error.message}`)
      return c.text('The database cannot be used; the log says why.\n', 500)
    }
    console.error(error)
    return c.text('The Board failed; the log says why.\n', 500)
  })
  return app
}

/** The session of the page that sent the form: it gets the change as its answer, and not as a broadcast. */
const author = (c: Context): string | undefined => c.req.header('x-socket-id')

/** Answers a browser's navigation with a page, and a script, an image or a health check with one line of text. */
function absent(c: Context, name: string, status: 502 | 503): Response | Promise<Response> {
  c.header('Cache-Control', 'no-store')
  c.header('Retry-After', '2')
  if (c.req.header('accept')?.includes('text/html')) return c.html(notRunning(name, status === 502), status)
  return c.text(`${name} is not ${status === 502 ? 'answering' : 'running here'}\n`, status)
}

/**
 * The cable does not answer. An EventSource never reconnects after an error status, and the page would go stale without a
 * sign; an event stream that holds only a `retry` makes it reconnect.
 */
const comeBack = (c: Context): Response =>
  c.req.method === 'GET'
    ? c.body('retry: 3000\n\n', 200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    : c.text('The cable is not answering.\n', 502)

/** Each path's methods, for a request that no route above answered. */
const METHODS = [
  ['/', 'GET'],
  ['/cards', 'POST'],
  ['/cards/:id{\\d+}/vote', 'POST'],
  ['/cards/:id{\\d+}/delete', 'POST'],
  ['/clear', 'POST'],
  ['/compare', 'GET'],
  ['/people', 'GET'],
  ['/answer', 'GET, POST'],
  ['/answer/:id{[0-9a-f]+}', 'GET'],
  ['/health', 'GET'],
] as const
