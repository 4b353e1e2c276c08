/**
 * The request of a client, as the application gets it in each call.
 *
 *   url      http://app.example/cable?room=1        the scheme says whether this cable itself serves TLS
 *   headers  those of --headers, the token's, and REMOTE_ADDR: the address of the client, or of a proxy that we do not trust
 */
import { type Asking as Caller, createAddressReader } from '../http/client-address.ts'

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
  /** Of --trusted_proxies. */
  readonly proxies: readonly string[]
}

/** A request, as Node has it. */
export interface Asking extends Caller {
  /** Path and query. */
  readonly url: string
}

export function createRequestReader(settings: RequestSettings): (asking: Asking) => ClientRequest {
  const { headers: names, isSecure } = settings
  const cookies = new Set(settings.cookies)
  const addressOf = createAddressReader(settings.proxies)
  return asking => {
    const { url, headers } = asking
    const told: Record<string, string> = {}
    for (const name of names) {
      const given = headers[name]
      const value = (typeof given === 'string' ? given : given?.[0]) ?? ''
      const kept = name === 'cookie' && cookies.size > 0 ? filtered(value, cookies) : value
      if (kept !== '') told[name] = kept
    }
    const address = addressOf(asking)
    if (address !== undefined) told.REMOTE_ADDR = address
    return { url: `${isSecure ? 'https' : 'http'}://${headers.host ?? ''}${url}`, headers: told }
  }
}

/** (The reference loses a cookie after the first one, and one with a = in its value.) */
function filtered(cookie: string, names: ReadonlySet<string>): string {
  const pairs = cookie.split(';').map(pair => pair.trim())
  return pairs.filter(pair => names.has(pair.split('=', 1)[0]!)).join('; ')
}
