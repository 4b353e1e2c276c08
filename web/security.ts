/**
 * The content security policy, and the check that a form comes from a page of this site. The same for every language,
 * because this server passes on the requests of all.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { askedHost, host } from './origin.ts'

/**
 * Turbo puts the style of its progress bar into the page; everything else inline is refused. The hash is that of
 * `ProgressBar.defaultCSS`; a test computes it from the installed Turbo.
 */
export const TURBO_STYLE = "'sha256-WAyOw4V+FqDc35lQPyRADLBWbuNK8ahvYEaQIYF1+Ps='"

/** `elsewhere`: the cable's origin if it is not that of the pages. */
export const securityHeaders =
  (elsewhere?: string): MiddlewareHandler =>
  async (c, next) => {
    await next()
    if (c.res.headers.has('content-security-policy')) return
    const at = host(c)
    // In older browsers 'self' does not cover ws:.
    const connect = ["'self'", `ws://${at}`, `wss://${at}`, ...(elsewhere === undefined ? [] : [elsewhere])]
    c.header(
      'Content-Security-Policy',
      [
        "default-src 'self'",
        `style-src 'self' ${TURBO_STYLE}`,
        `connect-src ${connect.join(' ')}`,
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
      ].join('; '),
    )
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Referrer-Policy', 'same-origin')
  }

/**
 * The Board has no accounts, so a form needs no token; but another site must not post through a visitor's browser. curl
 * sends neither header and may post.
 */
export const sameSite: MiddlewareHandler = async (c, next) => {
  const refusal = c.req.method === 'POST' ? foreign(c) : undefined
  return refusal === undefined ? next() : c.text(`${refusal}\n`, 403)
}

/** Returns why a form counts as another site's, or `undefined` if it does not. */
function foreign(c: Context): string | undefined {
  const site = c.req.header('sec-fetch-site') ?? ''
  if (site === 'cross-site') return 'Another site may not post here.'
  if (['same-origin', 'same-site', 'none'].includes(site)) return undefined
  // Over plain HTTP, such as from a phone in the same network, a browser sends only Origin.
  const origin = c.req.header('origin')
  if (origin === undefined) return undefined
  if (origin === 'null') return 'Origin: null hides which site this form is from.'
  const [, name, port] = ORIGIN.exec(origin) ?? []
  const [, askedName, askedPort] = AUTHORITY.exec(askedHost(c) ?? '') ?? []
  const same = name !== undefined && name.toLowerCase() === askedName?.toLowerCase()
  if (same && (port === undefined || askedPort === undefined || port === askedPort)) return undefined
  return 'Origin is not the host that was asked: another site may not post here, and a proxy has to pass Host.'
}

/** A host name, without the dot at its end because some proxies drop it, and a port. */
const NAME_AND_PORT = '(\\[[0-9a-f:.]+\\]|[a-z0-9_.-]+?)\\.?(?::(\\d{1,5}))?'
const AUTHORITY = new RegExp(`^${NAME_AND_PORT}$`, 'i')
const ORIGIN = new RegExp(`^https?://${NAME_AND_PORT}$`, 'i')
