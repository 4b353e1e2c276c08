/**
 * Readers: each turns a setting's text into its value, or throws an Error. Its message follows the setting's name: "must be …".
 *
 * No message repeats the text, because it may be a secret that the operator gave to the wrong setting. Pure.
 */
import { isIPv6 } from 'node:net'
import { isProxy } from '../http/client-address.ts'

export type Read<T> = (text: string) => T

export const text: Read<string> = text => text

export const bool: Read<boolean> = text => {
  if (/^(true|1|t)$/i.test(text)) return true
  if (/^(false|0|f)$/i.test(text)) return false
  throw new Error('must be true or false')
}

export const whole =
  (least: number, most = Number.MAX_SAFE_INTEGER): Read<number> =>
  text => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || number < least || number > most)
      throw new Error(`must be a whole number from ${least} to ${most}`)
    return number
  }

/** Number of processes. */
export const workers: Read<number | 'auto'> = text => {
  if (text === 'auto') return text
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new Error('must be auto, or a number from 1 to 999')
  return Number(text)
}

/** Bytes that we hold as one string. ws misreads limits beyond 2^31, and V8 has no strings beyond 2^29. */
export const bytesAtOnce = whole(1, 1 << 28)

export const choice =
  <const T extends string>(...names: readonly T[]): Read<T> =>
  text => {
    const found = names.find(name => name === text)
    if (found === undefined) throw new Error(`must be one of ${names.join(', ')}`)
    return found
  }

export const list: Read<string[]> = text => {
  const entries = text
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
  if (entries.length === 0) throw new Error('must have at least one entry')
  return entries
}

export const choices =
  <const T extends string>(...names: readonly T[]): Read<T[]> =>
  text =>
    list(text).map(choice(...names))

/** Ways in for broadcasts. We refuse AnyCable's other one by name: an operator that sets it relies on it. */
export const adapters: Read<('http' | 'redis' | 'redisx' | 'outbox')[]> = text => {
  if (list(text).includes('nats')) throw new Error('has nats, which this cable does not have: set it to http')
  return choices('http', 'redis', 'redisx', 'outbox')(text)
}

/** The database of an outbox. (`postgres://user@/app?host=/run/postgresql` has no host, so it is no URL for Node.) */
export const outbox: Read<string> = text => {
  const isPostgres = /^postgres(?:ql)?:\/\/./.test(text) && URL.canParse(text.replace('@/', '@socket/'))
  if (!isPostgres && !/^sqlite:./s.test(text))
    throw new Error('must be sqlite:PATH, or postgres://user:password@host:port/database, with odd characters as %40')
  return text
}

/** Names of streams, or their beginnings with `*` behind. */
export const streamNames: Read<string[]> = text => {
  const entries = list(text)
  if (entries.some(entry => entry.slice(0, -1).includes('*')))
    throw new Error('must be names of streams, or their beginnings with * behind; comma-separated')
  return entries
}

/** Servers of RPC: http://host/path, or what gRPC takes. */
export const rpcHost: Read<string> = text => {
  if (/^https?:\/\//.test(text)) return url(text)
  if (!/^(?:dns:\/{2,3}|grpc-list:\/\/)?[^/\s]+(?:\/)?$/.test(text))
    throw new Error(
      'must be http(s)://host:port/_anycable, or host:port, dns:///host:port or grpc-list://host:port,host:port',
    )
  return text
}

/** Names of headers. */
export const headers: Read<string[]> = text => {
  const names = list(text).map(name => name.toLowerCase())
  if (names.some(name => !/^[\w!#$%&'*+.^`|~-]+$/.test(name))) throw new Error('must be names of headers')
  return names
}

/** `none` switches a secret off, as in AnyCable. */
export const secret: Read<string> = value => (value === 'none' ? '' : value)

/** Former secrets, which still verify. */
export const secrets: Read<string[]> = text => list(text).filter(item => item !== 'none')

/** The name of a query parameter and, with `x-` before it, of a header. */
export const parameter: Read<string> = text => {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw new Error('must be letters, digits, - and _')
  return text
}

/** Only unreserved characters: a URL has one spelling for them, and they mean nothing to the router. */
export const path: Read<string> = text => {
  if (!/^\/([\w.~-]+\/)*[\w.~-]*$/.test(text) || URL.parse(text, 'http://host')?.pathname !== text)
    throw new Error('must begin with /, and hold only letters, digits, /, ., _, ~ and -')
  return text
}

export const paths: Read<string[]> = text => list(text).map(path)

/** A path with other routes below it. */
export const folder: Read<string> = text => {
  if (path(text).endsWith('/')) throw new Error('must not end with /')
  return text
}

export const host: Read<string> = text => {
  if (!/^[\w.:%-]+$/.test(text) || (text.includes(':') && !isIPv6(text)))
    throw new Error('must be an address or a host name, without a scheme, brackets or a port')
  return text
}

export const proxies: Read<string[]> = text => {
  const entries = list(text)
  if (!entries.every(isProxy))
    throw new Error('must be addresses, blocks such as 10.0.0.0/8, or private; comma-separated')
  return entries
}

/**
 * Entries of --allowed_origins. We refuse a scheme instead of ignoring it: `https://` would seem to keep http pages out, and
 * AnyCable, with the same value, would let no page in.
 */
export const origins: Read<string[]> = text => {
  const entries = list(text)
  if (!entries.every(entry => ORIGIN.test(entry)))
    throw new Error(
      'must be hosts, such as app.example.com, app.example.com:3000, *.example.com or * (without a scheme, a path, or the ports 80 and 443, which browsers leave out)',
    )
  return entries
}

const ORIGIN = /^(\*|((\*\.?)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?!80$|443$)\d{1,5})?)$/i

/** `fetch` refuses a URL with a user name. */
export const url: Read<string> = text => {
  const { protocol = '', username, password } = URL.parse(text) ?? {}
  if (!/^https?:$/.test(protocol) || username || password) throw new Error('must be an http(s) URL without a user name')
  return text
}

/** Returns the URL with its scheme, which AnyCable lets operators leave out. */
export const redisUrl: Read<string> = text => {
  const whole = text.includes('://') ? text : `redis://${text}`
  const { protocol = '', hostname, pathname = '', username = '', password = '' } = URL.parse(whole) ?? {}
  if (!/^rediss?:$/.test(protocol) || !hostname || hostname.includes(',') || !/^\/?\d*$/.test(pathname))
    throw new Error(A_REDIS_URL)
  try {
    decodeURIComponent(username + password)
  } catch (cause) {
    throw new Error(A_REDIS_URL, { cause })
  }
  return whole
}

const A_REDIS_URL =
  'must be one URL, redis://[[user]:password@]host[:port][/database], or rediss:// for TLS, with odd characters of the password as %40 (Redis Cluster is not supported)'

/** Sentinels: URLs, or host:port. */
export const sentinels: Read<string[]> = text => {
  const entries = list(text)
  for (const entry of entries) redisUrl(entry)
  return entries
}

export const file: Read<string> = text => {
  if (text.includes('-----BEGIN')) throw new Error('must be the name of a file, not its content')
  return text
}

/** Labels of metrics: name and value. */
export const tags: Read<(readonly [name: string, value: string])[]> = text =>
  list(text).map(entry => {
    const [, name, value] = /^([a-z_][a-z0-9_]*):(.+)$/i.exec(entry) ?? []
    if (name === undefined || value === undefined || name.startsWith('__') || LABELS.has(name))
      throw new Error(
        'must be name:value, comma-separated; a name has letters, digits and _, and is not code, kind, key or le',
      )
    return [name, value] as const
  })

/** Labels that metrics have already. */
const LABELS = new Set(['code', 'kind', 'key', 'le'])
