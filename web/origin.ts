/** Where the browser thinks it is: the first proxy in front of us says so, else the request itself. */
import type { Context } from 'hono'

/** A host with its port: names, IPv4, [IPv6]. Anything else would be written into a header and a page. */
const HOST = /^(?:[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/

/** `localhost:3000` */
export function host(c: Context): string {
  const forwarded = c.req.header('x-forwarded-host')?.split(',')[0]?.trim()
  const asked = forwarded ?? c.req.header('host')
  return asked !== undefined && HOST.test(asked) ? asked : new URL(c.req.url).host
}

/** We speak plain HTTP ourselves: whoever ends TLS for us has to say so. */
export const scheme = (c: Context): 'http' | 'https' =>
  c.req.header('x-forwarded-proto')?.split(',')[0]?.trim() === 'https' ? 'https' : 'http'

/** The cable's URL as the browser must use it: absolute, because clients refresh tokens with it. */
export const cableUrl = (c: Context): string => `${scheme(c) === 'https' ? 'wss' : 'ws'}://${host(c)}/cable`
