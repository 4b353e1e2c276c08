/**
 * What a client says before it says anything: subprotocols and where its token is.
 *
 * Pure: reads the upgrade request's URL and headers.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PingPrecision } from './action-cable.ts'

/** The subprotocol whose sessions can be resumed. */
export const EXTENDED = 'actioncable-v1-ext-json'

/** The subprotocols we speak, in order of preference. Clients that offer neither are served the same. */
const SUBPROTOCOLS = ['actioncable-v1-json', EXTENDED] as const
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
  return queryOf(url).get(param) ?? ''
}

const NO_QUERY = new URLSearchParams()

export const queryOf = (url: string): URLSearchParams => {
  const at = url.indexOf('?')
  return at < 0 ? NO_QUERY : new URLSearchParams(url.slice(at + 1))
}

/** What a client may say of itself in the URL. For repeated parameters the last wins, as in the reference. */
export interface Wishes {
  /** The sid of the session it had before; empty for none. */
  readonly previousSid: string
  /** Seconds between pings; 0 for none at all; `undefined`: as everybody. */
  readonly pingInterval: number | undefined
  readonly pingPrecision: PingPrecision | undefined
}

const NO_WISHES: Wishes = { previousSid: '', pingInterval: undefined, pingPrecision: undefined }

export function readWishes(url: string, headers: IncomingHttpHeaders): Wishes {
  const restore = headers['x-anycable-restore-sid']
  if (restore === undefined && !url.includes('?')) return NO_WISHES
  const query = queryOf(url)
  const interval = query.getAll('pi').at(-1) ?? ''
  const precision = query.getAll('ptp').at(-1)
  return {
    previousSid: (Array.isArray(restore) ? restore.at(-1) : restore) || (query.getAll('sid').at(-1) ?? ''),
    pingInterval: /^-?\d{1,9}$/.test(interval) ? Math.max(0, Number(interval)) : undefined,
    pingPrecision: precision === 's' || precision === 'ms' || precision === 'ns' ? precision : undefined,
  }
}

/**
 * Whether the Origin may connect. `allowed` are `host[:port]` entries; `*.example.io` means its subdomains, `*example.io` the
 * domain as well. (To the reference the latter is any suffix, evilexample.io included.) None allows all.
 */
export function originAllowed(origin: string | undefined, allowed: readonly string[]): boolean {
  if (allowed.length === 0 || allowed.includes('*')) return true
  const host = origin === undefined ? '' : (URL.parse(origin)?.host ?? '')
  if (host === '') return false
  return allowed.some(entry => {
    const domain = entry.toLowerCase().replace(/^\*\.?/, '')
    if (!entry.startsWith('*')) return host === domain
    return host.endsWith(`.${domain}`) || (host === domain && !entry.startsWith('*.'))
  })
}
