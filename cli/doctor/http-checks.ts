/** Checks of everything beside the WebSocket: the page, events, broadcasts, positions, the script. Pure. */
import { isLoopback } from '../../server/config/contradictions.ts'
import { KEY_MISMATCH } from '../../server/errors.ts'
import { type Answer, type Failure, isFailure } from './ask.ts'
import { BUFFERING, IDLE, ROUTE } from './config-lines.ts'
import { HELLO, type Seen } from './look.ts'
import { positionIn } from './position.ts'
import { duration, fail, ok, quote, skipped, type Verdict, warn } from './verdict.ts'

/** `undefined`: the doctor examines no page. */
export function page({ page, cable }: Seen): Verdict | undefined {
  if (page === undefined) return undefined
  const { answer, tags, url } = page
  const at = url.origin + url.pathname
  if (isFailure(answer)) return fail(`${at} does not answer: ${quote(answer.message)}`, 'does the app run?')
  if (tags.cable === undefined)
    return fail(
      `HTTP ${answer.status}: ${at} has no <meta name="cable-url">`,
      'put meta_tags(identity) into its <head>; if the page needs a session, examine its cable: hotcable doctor wss://…, and its HTML: hotcable debug < page.html',
    )
  if (url.protocol === 'https:' && /^(ws|http):/.test(tags.cable))
    return fail(
      'a page with https names a cable with ws, which browsers block',
      `set ANYCABLE_WEBSOCKET_URL=wss://${cable.host}${cable.pathname}`,
    )
  if (tags.signedName === undefined)
    return warn(`${at} names the cable, but listens to no stream`, 'put stream_from(name, position) into its <body>')
  return ok(`${at} names the cable${tags.token === undefined ? '' : ', a token'} and a stream`)
}

export function sse({ events, options, leftAt, socket, broadcast }: Seen): Verdict {
  if (events === undefined)
    return skipped(socket.kind === 'open' ? 'no signed name' : 'no WebSocket, so no session to compare with')
  const { outcome, askedAt, endedAt } = events
  if (outcome !== undefined && isFailure(outcome))
    return fail(`no answer: ${quote(outcome.message)}`, 'does the proxy pass /events on?')
  if (outcome !== undefined && outcome.status !== 200) return refusedEvents(outcome)
  if (outcome !== undefined && !isEvents(outcome))
    return warn('a page answers at /events', 'send /events to the cable, if you use server-sent events', ...ROUTE)
  const encoding = outcome?.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity')
    return fail(`a proxy compresses events (${encoding}), which delays them`, ...BUFFERING)
  const [first] = events.events
  const took = (first?.at ?? leftAt) - askedAt
  if (first === undefined || took > options.timeoutMs) {
    const what = outcome === undefined ? 'no answer' : 'an answer, but no event'
    return fail(
      `${first === undefined ? what : 'the first event only'} after ${duration(took)}: a proxy buffers them`,
      ...BUFFERING,
    )
  }
  if (endedAt !== undefined && endedAt < leftAt)
    return fail(`the events were cut after ${duration(endedAt - askedAt)}`, ...IDLE)
  if (broadcast?.arrived && !events.events.some(({ data }) => data.includes(HELLO)))
    return fail('the first event came, but not the message that the WebSocket got: a proxy buffers them', ...BUFFERING)
  return ok(`the first event after ${duration(took)}`)
}

const isEvents = ({ headers }: Answer): boolean => /^text\/event-stream\b/.test(headers['content-type'] ?? '')

/** Not every app uses server-sent events, and the rows about the WebSocket say what is wrong with token and name. */
function refusedEvents({ status, body }: Answer): Verdict {
  if (status === 400 || status === 401) return skipped(`refused with HTTP ${status}, see token and subscription`)
  const saw = `HTTP ${status}${body === '' ? '' : `: ${quote(body)}`}`
  return warn(
    saw,
    'if you use server-sent events: hotcable cable serves them (else --sse), and the proxy must pass /events on',
  )
}

export function broadcast({ broadcast, options }: Seen): Verdict {
  if (broadcast === undefined || options.broadcastUrl === undefined)
    return skipped('ANYCABLE_HTTP_BROADCAST_URL is not set')
  const { answer, arrived } = broadcast
  const at = options.broadcastUrl.origin + options.broadcastUrl.pathname
  if (isFailure(answer))
    return fail(
      `${at} does not answer: ${quote(answer.message)}`,
      'compare ANYCABLE_HTTP_BROADCAST_URL with the port of the cable: 8080 with a key, 8090 without',
    )
  const { status, body } = answer
  if (status === 201) {
    if (arrived === undefined) return ok(`${at} took a message`)
    if (arrived) return ok(`${at} took a message, and it arrived`)
    return fail(
      `${at} took a message, but it did not arrive`,
      'is that another cable than the one of this URL, or one of several that do not hear each other?',
    )
  }
  const saw = `HTTP ${status} from ${at}: ${quote(body)}`
  if (status === 401) {
    if (options.broadcastKey === undefined)
      return fail(saw, 'the cable wants a key: set ANYCABLE_SECRET or ANYCABLE_BROADCAST_KEY as the cable has it')
    return fail(saw, KEY_MISMATCH)
  }
  if (status === 404)
    return fail(
      saw,
      'no broadcasts there: compare --http_broadcast_path and --http_broadcast_port with ANYCABLE_HTTP_BROADCAST_URL',
    )
  return fail(saw, 'see the log of the cable')
}

export function position({ position }: Seen): Verdict {
  if (position === undefined) return skipped('ANYCABLE_HTTP_BROADCAST_URL is not set')
  if (isFailure(position)) return skipped('no answer, see broadcast')
  const { status, body } = position
  if (status === 401) return skipped('the cable refused the key, see broadcast')
  if (status !== 200)
    return warn(
      `HTTP ${status}: pages get no position`,
      'pages may miss what is broadcast while they load; anycable-go has no positions',
    )
  const known = positionIn(body)
  if (known === '-')
    return warn('the cable keeps no history', 'pages that lose their connection refresh or stay old: --broker=memory')
  return known === undefined ? fail(`the answer is ${quote(body)}`, 'is that a cable?') : ok(`pages get one: ${known}`)
}

export function script({ script, page, options, socket }: Seen): Verdict {
  const { answer, url } = script
  if (isFailure(answer) && page?.tags.script === undefined && !('answer' in socket)) return skipped('no connection')
  const at = url.origin.replace(/^ws/, 'http') + url.pathname
  const own = 'let the page load its own copy (hotcable helper script), or let the proxy pass this path to the cable'
  if (isFailure(answer)) return fail(`${at} does not answer: ${quote(answer.message)}`, own)
  const { status, headers } = answer
  const type = headers['content-type'] ?? 'no type'
  const saw = status === 200 ? `${at} is ${quote(type)}: the app answers there` : `HTTP ${status} for ${at}`
  if (status !== 200 || !/javascript/.test(type))
    return page?.tags.script === undefined ? warn(saw, own, 'anycable-go serves no script') : fail(saw, own)
  if (page !== undefined && page.tags.script === undefined)
    return warn(
      'served, but the page does not load it',
      'put script_tag() into its <head>, or see that its bundle has a client',
    )
  const isForeign = originOf(url) !== options.origin
  if (isForeign && headers['access-control-allow-origin'] === undefined)
    return fail(
      `${at} may not be loaded by ${options.origin}`,
      'a proxy or server leaves out Access-Control-Allow-Origin: *',
    )
  return ok(`${at}, as ${type.split(';')[0]}`)
}

const originOf = ({ protocol, host }: URL): string => `${/^(wss|https):$/.test(protocol) ? 'https' : 'http'}://${host}`

export function server({ cable, socket, position, script }: Seen): Verdict {
  const version = socket.kind === 'open' ? socket.answer.headers['x-anycable-version'] : undefined
  if (version !== undefined) return ok(`anycable-go ${quote(String(version))}`)
  const served = (answer: Answer | Failure | undefined) =>
    answer !== undefined && !isFailure(answer) && answer.status === 200
  const isDev = socket.kind === 'open' && socket.conversation.heard[0]?.dev === true
  if (isDev && (cable.protocol === 'wss:' || !isLoopback(cable.hostname)))
    return warn(
      'Hotcable: it runs with --dev',
      'if this is production, start it without --dev (HOTCABLE_DEV): it tells clients why it refuses them',
    )
  const hints = [
    served(script.answer) &&
      /javascript/.test((script.answer as Answer).headers['content-type'] ?? '') &&
      'it serves the script',
    served(position) && 'it knows positions',
    isDev && 'it runs with --dev',
  ].filter(hint => typeof hint === 'string')
  if (hints.length > 0) return ok(`Hotcable: ${hints.join(', ')}`)
  return skipped(socket.kind === 'open' ? 'nothing from outside says which kind it is' : 'no WebSocket')
}
