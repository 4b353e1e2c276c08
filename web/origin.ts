/** The origin in the browser's address bar, from the headers of the first proxy, else from the request. */
import type { Context } from 'hono'

/** A host with its port: names, IPv4, [IPv6]. Anything else must not reach a header or a page. */
const HOST = /^(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/

const first = (c: Context, header: string): string | undefined => c.req.header(header)?.split(',')[0]?.trim()

/** The host that the browser asked for: X-Forwarded-Host of the first proxy, else Host. Not validated. */
export const askedHost = (c: Context): string | undefined => first(c, 'x-forwarded-host') || c.req.header('host')

/** A valid host, with a port only if the request names one there: `localhost:3000`. */
export function validHost(c: Context): string {
  const asked = askedHost(c)
  return asked !== undefined && HOST.test(asked) ? asked : new URL(c.req.url).host
}

/**
 * The port that a proxy left out of Host. 80 and 443 are left out of a URL: they are the defaults, or the port of a proxy
 * behind the one that ends TLS.
 */
export function forwardedPort(c: Context): string | undefined {
  const port = first(c, 'x-forwarded-port') ?? ''
  return /^[1-9]\d{0,4}$/.test(port) && Number(port) < 65_536 && !/^(80|443)$/.test(port) ? port : undefined
}

/** `localhost:3000` */
export function host(c: Context): string {
  const [asked, port] = [validHost(c), forwardedPort(c)]
  return port === undefined || /:\d+$/.test(asked) ? asked : `${asked}:${port}`
}

/** This server has no TLS: a proxy that ends TLS must send X-Forwarded-Proto. */
export const scheme = (c: Context): 'http' | 'https' => (first(c, 'x-forwarded-proto') === 'https' ? 'https' : 'http')

/** The cable's URL as the browser must use it: absolute, because clients refresh tokens with it. */
export const cableUrl = (c: Context): string => `${scheme(c) === 'https' ? 'wss' : 'ws'}://${host(c)}/cable`
