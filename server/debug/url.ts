/**
 * Decodes the URL with which a client connects, and everything in its query. Pure.
 */
import { EventsRefused } from '../errors.ts'
import { readGet } from '../transport/event-request.ts'
import type { Context } from './context.ts'
import { addFault, type Finding, finding, MOST_PARTS } from './finding.ts'
import { addPosition, decodeIdentifier } from './identifier.ts'
import { shorten } from './shorten.ts'
import { decodeToken } from './token.ts'

const EVENTS = ['turbo_signed_stream_name', 'signed_stream', 'identifier', 'stream', 'channel']

/** `isOfPage`: pages carry the token in the URL for @hotwired/turbo-rails, which reads nothing else. */
export function decodeUrl(text: string, context: Context, { isOfPage = false } = {}): Finding {
  const { settings, jwtParam } = context.settings
  const found = finding('URL')
  const url = URL.parse(text, 'ws://relative.invalid')
  if (url === null) {
    addFault(found, 'url_scheme')
    return found
  }
  const { protocol, host, hostname, pathname, searchParams } = url
  const isHttp = /^https?:$/.test(protocol)
  const isRelative = hostname === 'relative.invalid'
  const isOfEvents = pathname === settings.sse_path || EVENTS.some(name => searchParams.has(name))
  if (!isRelative) found.facts.push(['scheme', protocol.slice(0, -1)], ['host', host])
  found.facts.push(['path', shorten(pathname)], ['serves', isOfEvents ? 'server-sent events' : 'WebSockets'])

  if (pathname.startsWith(settings.http_broadcast_path)) {
    addFault(found, 'url_of_backends')
    return found
  }
  if (isRelative) addFault(found, 'url_relative')
  else if (isOfEvents && !isHttp) addFault(found, 'url_of_events')
  else if (!isOfEvents && !/^wss?:$/.test(protocol))
    addFault(found, 'url_scheme', `this one begins with ${protocol}//; to examine a page, give its HTML`)
  if (!isOfEvents && !settings.path.includes(pathname))
    addFault(found, 'url_path_unknown', `it serves ${settings.path.join(' and ')}`)
  const isLocal = /^(localhost|127\.|\[::1\])/.test(hostname)
  if (isLocal) found.facts.push(['reach', 'this machine only'])
  else if (/^(ws|http):$/.test(protocol) && !isRelative) addFault(found, 'url_unencrypted')

  const token = searchParams.get(jwtParam)
  if (token !== null) {
    if (!isOfPage && !isOfEvents) addFault(found, 'token_in_url')
    found.parts.push(decodeToken(token, context))
  } else if (!isOfPage) found.facts.push(['token', 'not in the URL'])
  if (isOfEvents) addStreams(found, searchParams, context)
  return found
}

/** The position stands beside the identifiers, for all of them. */
function addStreams(found: Finding, query: URLSearchParams, context: Context): void {
  addPosition(found, query.get('position'), context)
  try {
    for (const { identifier } of readGet(query, undefined, Infinity).commands.slice(0, MOST_PARTS)) {
      const part = decodeIdentifier(identifier, context)
      found.parts.push({ ...part, faults: part.faults.filter(({ code }) => code !== 'position_missing') })
    }
  } catch (error) {
    if (!(error instanceof EventsRefused)) throw error
    addFault(found, error.code)
  }
}
