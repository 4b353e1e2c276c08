/**
 * Reads the wishes of a client from its handshake: subprotocol, token, session to restore, pings.
 *
 * Pure: needs only the URL and the headers of the request.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { PingPrecision } from './action-cable.ts'

/** The subprotocol that can resume sessions. */
export const EXTENDED = 'actioncable-v1-ext-json'

/** The subprotocols we speak, in order of preference. We also serve clients that offer neither. */
const SUBPROTOCOLS = ['actioncable-v1-json', EXTENDED] as const
const TOKEN_PREFIX = 'anycable-token.'

/** Returns the subprotocol to answer with, or `false` for none. Never echoes a token that is offered as a subprotocol. */
export const selectSubprotocol = (offered: ReadonlySet<string>): string | false =>
  SUBPROTOCOLS.find(name => offered.has(name)) ?? false

/**
 * Returns the token of a request, or an empty string. A header wins over a subprotocol, which wins over the query: a link
 * must not override a token that a proxy sets.
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

/** The wishes that a client may express in the URL. For repeated parameters the last wins, as in the reference. */
export interface Wishes {
  /** The sid of the previous session; empty for none. */
  readonly previousSid: string
  /** Seconds between pings; 0: no pings; `undefined`: the default. */
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
 * Whether the Origin may connect. `allowed` are `host[:port]` entries; `*.example.io` means its subdomains, `*example.io` also
 * the domain. (In the reference the latter is any suffix, even evilexample.io.) An empty list allows all.
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
