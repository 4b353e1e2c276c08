/**
 * What a page may do, and who may post. The same for every language, as all of them are served through here.
 */
import type { MiddlewareHandler } from 'hono'
import { host } from './origin.ts'

/**
 * Turbo puts the style of its progress bar into the page; everything else inline is refused. The hash is that of
 * `ProgressBar.defaultCSS`; a test computes it from the installed Turbo.
 */
export const TURBO_STYLE = "'sha256-WAyOw4V+FqDc35lQPyRADLBWbuNK8ahvYEaQIYF1+Ps='"

/** `elsewhere`: an origin that pages connect to besides their own, when the cable has one. */
export const securityHeaders =
  (elsewhere?: string): MiddlewareHandler =>
  async (c, next) => {
    await next()
    if (c.res.headers.has('content-security-policy')) return
    const at = host(c)
    // 'self' covers ws: in current browsers, and did not in older ones.
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
 * The Board has no accounts, so a form needs no token of its own; but another site must not post through a visitor's
 * browser. Every browser says where a POST comes from; curl says nothing and may post.
 */
export const sameSite: MiddlewareHandler = async (c, next) => {
  if (c.req.method === 'POST' && c.req.header('sec-fetch-site') === 'cross-site') {
    return c.text('Another site may not post here.\n', 403)
  }
  return next()
}
