/**
 * The request of a client, as the application gets it in each call.
 *
 *   url      http://app.example/cable?room=1        the scheme says whether this cable itself serves TLS
 *   headers  those of --headers, the token's, and REMOTE_ADDR: the address of the peer, which may be a proxy
 */
import type { IncomingHttpHeaders } from 'node:http'

export interface ClientRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface RequestSettings {
  /** Names in lower case. */
  readonly headers: readonly string[]
  /** Names of cookies; empty: all. */
  readonly cookies: readonly string[]
  /** Whether this cable serves TLS. */
  readonly isSecure: boolean
}

/** A request, as Node has it. */
export interface Asking {
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly socket?: { readonly remoteAddress?: string | undefined } | undefined
}

export function createRequestReader(settings: RequestSettings): (asking: Asking) => ClientRequest {
  const { headers: names, isSecure } = settings
  const cookies = new Set(settings.cookies)
  return ({ url, headers, socket }) => {
    const told: Record<string, string> = {}
    for (const name of names) {
      const given = headers[name]
      const value = (typeof given === 'string' ? given : given?.[0]) ?? ''
      const kept = name === 'cookie' && cookies.size > 0 ? filtered(value, cookies) : value
      if (kept !== '') told[name] = kept
    }
    const address = socket?.remoteAddress
    // (A socket that listens on IPv6 writes the addresses of IPv4 so.)
    if (address !== undefined) told.REMOTE_ADDR = address.replace(/^::ffff:(?=\d+\.)/, '')
    return { url: `${isSecure ? 'https' : 'http'}://${headers.host ?? ''}${url}`, headers: told }
  }
}

/** (The reference loses a cookie after the first one, and one with a = in its value.) */
function filtered(cookie: string, names: ReadonlySet<string>): string {
  const pairs = cookie.split(';').map(pair => pair.trim())
  return pairs.filter(pair => names.has(pair.split('=', 1)[0]!)).join('; ')
}
