/**
 * /debug, for developers: decodes a pasted text, and shows the state of the cable. This page asks the cable for both, below the
 * path of broadcasts, which answers only with --dev. `npm start` serves the page; production does not.
 *
 *   GET  /debug           the page        GET  /debug/live        its live part
 *   POST /debug           with findings   POST /debug/findings    these alone
 */
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { sameSite } from './security.ts'
import type { Html } from './views/card.ts'
import { debugPage, type Finding, failure, findings, type Live, live } from './views/debug.ts'

export interface DebugOptions {
  /** Where the cable takes broadcasts. */
  readonly url: string
  /** The key of broadcasts; `none`: the cable has none. */
  readonly key: string
}

/** The cable's limit for a text, and room for the form around it. */
const MAX_BYTES = (1 << 20) + 4096
const TIMEOUT_MS = 5000

export function createDebug(options: DebugOptions): Hono {
  const app = new Hono()
  const tooLarge = (c: Context) => c.html(failure('The text is longer than 1 MiB.'), 413)
  app.use(nearby, sameSite, bodyLimit({ maxSize: MAX_BYTES, onError: tooLarge }), async (c, next) => {
    await next()
    c.header('Cache-Control', 'no-store')
  })

  const showLive = () => ask<Live>(options).then(live, explain)
  const decode = async (c: Context): Promise<{ text: string; found: Html }> => {
    const { text = '' } = await c.req.parseBody()
    if (typeof text !== 'string') return { text: '', found: failure('Paste a text, not a file.') }
    // (A browser sends the line breaks of a form as CR LF.)
    const found = await ask<Finding[]>(options, text.replaceAll('\r\n', '\n')).then(findings, explain)
    return { text, found }
  }
  app.get('/', async c => c.html(debugPage({ text: '', found: '', live: await showLive() })))
  app.post('/', async c => c.html(debugPage({ ...(await decode(c)), live: await showLive() })))
  app.get('/live', async c => c.html(await showLive()))
  app.post('/findings', async c => c.html((await decode(c)).found))
  app.all('/', c => c.text('', 405, { Allow: 'GET, POST' }))
  return app
}

/**
 * Any website can let its name resolve to this machine, and its pages may then read what they fetch (DNS rebinding). So we answer
 * only under addresses, and under names that no public DNS has. (A page can choose X-Forwarded-Host, but not Host.)
 */
const nearby: MiddlewareHandler = async (c, next) => {
  const { hostname } = URL.parse(`http://${c.req.header('host') ?? 'localhost'}`) ?? {}
  return hostname !== undefined && NEARBY.test(hostname) ? next() : c.text(NOT_NEARBY, 403)
}

const NEARBY = /^(?:\[[\da-f:]+\]|[\d.]+|[\w-]+|.+\.(?:localhost|local|test|internal))$/
const NOT_NEARBY =
  'Open this page as http://localhost, or by the IP address of this machine, with the port of the Board.\n'

class AskFailed extends Error {
  override readonly name = 'AskFailed'
}

const explain = (error: unknown): Html => {
  if (error instanceof AskFailed) return failure(error.message)
  throw error
}

/** Asks the cable for its state, or to decode the text. Rejects with {@link AskFailed}. */
async function ask<Value>({ url, key }: DebugOptions, text?: string): Promise<Value> {
  const headers: Record<string, string> = key === 'none' ? {} : { authorization: `Bearer ${key}` }
  const init = text === undefined ? { headers } : { method: 'POST', headers, body: text }
  const answer = await fetch(`${url}/debug`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(cause => {
    throw new AskFailed('The cable does not answer. It is probably starting.', { cause })
  })
  if (answer.ok) return (await answer.json()) as Value
  await answer.body?.cancel()
  throw new AskFailed(REFUSALS[answer.status] ?? `The cable answered ${answer.status}.`)
}

const REFUSALS: Readonly<Record<number, string>> = {
  401: 'The cable has another key for broadcasts than this page: give both the same ANYCABLE_SECRET.',
  404: 'The cable does not show its state: it runs without --dev, or another server answers.',
  413: 'The text is longer than the cable takes: see --max_broadcast_size.',
}
