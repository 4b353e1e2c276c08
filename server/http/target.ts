/**
 * The target of a request: its path and its host.
 *
 * Ruby's anycable gem sends the whole URL (RFC 9112, 3.2.2). HTTP/1.0 has no host, and a legal host may be illegal in a URL.
 */
import type { IncomingMessage } from 'node:http'

/** Returns the path of a request, exactly as the client sent it. */
export function pathOf({ url = '' }: IncomingMessage): string {
  const target = originForm(url)
  const end = target.indexOf('?')
  return end < 0 ? target : target.slice(0, end)
}

/**
 * Whether the path has a segment `.` or `..`, in any spelling. A URL resolves it, so a proxy that passes on /cable/… alone would let
 * /cable/../metrics reach another route.
 */
export const isWinding = (path: string): boolean => /(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|$)/i.test(path)

/** `http://host/path?query` → `/path?query` */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url
  const [whole = ''] = /^https?:\/\/[^/?#]*/i.exec(url) ?? []
  const rest = url.slice(whole.length)
  return whole === '' || rest.startsWith('/') ? rest : `/${rest}`
}

/** `name`, `1.2.3.4`, `[::1]`, with or without `:port`; empty is legal (RFC 9112, 3.2; RFC 3986, 3.2.2). */
const HOST = /^(?:\[[\da-f:.]+\]|\[v[\da-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i

export const isHost = (host: string): boolean => HOST.test(host)
