/**
 * What a client says before it says anything: subprotocols and where its token is.
 *
 * Pure: reads the upgrade request's URL and headers.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** The subprotocols we speak, in order of preference. Clients that offer neither are served the same. */
const SUBPROTOCOLS = ['actioncable-v1-json'] as const
const TOKEN_PREFIX = 'anycable-token.'

/** The subprotocol to answer with, or `false` for none. A token offered as a subprotocol is never echoed. */
export const selectSubprotocol = (offered: ReadonlySet<string>): string | false =>
  SUBPROTOCOLS.find(name => offered.has(name)) ?? false

/**
 * The token of a request, empty when there is none. A header wins over a subprotocol, which wins over the query:
 * what a proxy sets must not be overruled by what a link carries.
 */
export function readToken(url: string, headers: IncomingHttpHeaders, param: string): string {
  const header = headers[`x-${param.toLowerCase()}`]
  if (typeof header === 'string' && header !== '') return header
  const offered = headers['sec-websocket-protocol'] ?? ''
  for (const entry of offered.split(',')) {
    const name = entry.trim()
    if (name.startsWith(TOKEN_PREFIX) && name !== TOKEN_PREFIX) return name.slice(TOKEN_PREFIX.length)
  }
  return new URLSearchParams(url.split('?')[1] ?? '').get(param) ?? ''
}

/** Whether the Origin may connect. `allowed` are `host[:port]` entries, `*.example.io` for subdomains; none allows all. */
export function originAllowed(origin: string | undefined, allowed: readonly string[]): boolean {
  if (allowed.length === 0 || allowed.includes('*')) return true
  const host = origin === undefined ? '' : (URL.parse(origin)?.host ?? '')
  if (host === '') return false
  return allowed.some(entry => (entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : host === entry))
}
