/**
 * /events: where server-sent events begin.
 *
 *   200 events      400 the request, or a subscription, with its code      401 the token      403 the origin
 *                   405 the method      413 the body
 *
 * We admit the client, then read the whole request, then subscribe. A request that we refuse at any step leaves nothing behind.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Soon } from '../base/soon.ts'
import {
  type ClosedCode,
  ENDINGS,
  type EndingCode,
  EVENT_REFUSALS,
  EventsRefused,
  REJECTIONS,
  RequestRefused,
  SessionRefused,
  SubscriptionRejected,
  TEMPORARY_REJECTIONS,
} from '../errors.ts'
import { decodeBody, readBody } from '../http/body.ts'
import type { Handle } from '../http/listener.ts'
import type { Turn } from '../hub/turn.ts'
import type { Metrics } from '../metrics.ts'
import { originAllowed, queryOf, type Wishes } from '../protocol/negotiate.ts'
import type { Admission } from '../session/admission.ts'
import type { Admitted } from '../session/identify.ts'
import type { Session } from '../session/session.ts'
import { asksForHistory } from '../session/start.ts'
import type { Subscribed } from '../session/subscribe.ts'
import type { Subscription } from '../session/subscriptions.ts'
import { type EventRequest, readGet, readPost } from './event-request.ts'
import { LargeEvents } from './large-events.ts'
import { createEventStream, type EventStream } from './sse.ts'

export interface EventParts {
  admission: Admission
  metrics: Metrics
  turn: Turn
  sent: (bytes: number, frames: number) => void
  /** Why the cable refuses new clients now. */
  whyClosed: () => ClosedCode | undefined
}

export interface EventSettings {
  readonly jwtParam: string
  /** By name. */
  readonly settings: {
    readonly allowed_origins: readonly string[]
    readonly dev: boolean
    readonly ws_max_pending_size: number
    readonly max_message_size: number
    readonly max_subscriptions: number
  }
}

export function createEventHandler({ settings, jwtParam }: EventSettings, parts: EventParts): Handle {
  const { admission, metrics, turn, sent } = parts
  const { shared } = admission
  const { allowed_origins: allowedOrigins, dev, ws_max_pending_size: maxPendingSize } = settings
  const streams = { maxPendingSize, turn, sent, large: new LargeEvents(turn) }
  const preflight = {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': `content-type, last-event-id, x-${jwtParam}`,
  }

  return async (request, response) => {
    const { origin } = request.headers
    const cors = corsHeaders(origin, allowedOrigins)
    try {
      // Without an Origin header the page is of the same origin, or the client is not a browser.
      if (origin !== undefined && !originAllowed(origin, allowedOrigins)) throw new EventsRefused('origin_not_allowed')
      if (request.method === 'OPTIONS') return void response.writeHead(204, { ...cors, ...preflight }).end()
      if (request.method !== 'GET' && request.method !== 'POST') throw new EventsRefused('method_not_allowed')
      // A pipelined answer has no socket until the one before it ends, which may be never. So a connection has one session
      // at most, and ends with it.
      if (response.socket === null) throw new EventsRefused('events_pipelined')
      if (parts.whyClosed() !== undefined) return askToReconnect(response, cors)
      const caller = { url: request.url ?? '', headers: request.headers, socket: request.socket }
      const identified = admission.authenticate(caller, left => response.once('close', left))
      const admitted = identified instanceof Promise ? await identified : identified
      if (admitted === 'left') return
      try {
        await answer(request, response, admitted, cors)
      } finally {
        admission.abandon(admitted)
      }
    } catch (error) {
      if (error instanceof SessionRefused) {
        admission.report(error, request)
        if (ASKS_TO_RECONNECT.has(error.code) && error.reconnect) return askToReconnect(response, cors)
      }
      const [status, code, fix] = answerTo(error, dev)
      if (error instanceof EventsRefused) {
        metrics.refused(error.code)
        shared.log.debug({ code }, `events refused: ${fix}`)
      }
      const body = JSON.stringify({ error: code, ...(dev ? { message: fix } : {}) })
      const about: Headers = { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` }
      if (status === 413) about.connection = 'close'
      response.writeHead(status, { ...cors, ...about }).end(body)
    }
  }

  async function answer(request: IncomingMessage, response: ServerResponse, admitted: Admitted, cors: Headers) {
    admission.checkLimits(admitted)
    if (request.method === 'GET') return await begin(response, admitted, get(request), cors)
    const asked = await post(request)
    // While we read the body, the client may have left, and others may have come.
    if (request.socket.destroyed) return
    if (parts.whyClosed() !== undefined) return askToReconnect(response, cors)
    await begin(response, admitted, asked, cors)
  }

  function get({ url = '', headers }: IncomingMessage): EventRequest {
    return readGet(queryOf(url), headers['last-event-id']?.toString(), settings.max_subscriptions)
  }

  async function post(request: IncomingMessage): Promise<EventRequest> {
    const { url = '', headers } = request
    const body = await readText(request, settings.max_message_size)
    metrics.data_rcvd_total += Buffer.byteLength(body)
    return readPost(queryOf(url), headers['last-event-id']?.toString(), body, settings.max_subscriptions)
  }

  /** Throws, or rejects with, the refusal, and leaves no session behind. */
  function begin(response: ServerResponse, admitted: Admitted, asked: EventRequest, cors: Headers): Soon<void> {
    const connection = createEventStream(response, asked.format, streams)
    const listener = admission.admit(connection, admitted, WISHES)
    const close = () => listener.closed()
    const open = () => {
      response.off('close', close)
      connection.listen(listener)
      connection.open(cors)
    }
    const refuse = (error: unknown): never => {
      response.off('close', close)
      close()
      throw error
    }
    try {
      const subscribed = subscribe(listener.session, connection, asked)
      if (subscribed === undefined) return open()
      response.once('close', close)
      return subscribed
        .then(() => {
          if (connection.isOpen && !listener.session.ended) return open()
          close()
          askToReconnect(response, cors)
        })
        .catch(refuse)
    } catch (error) {
      return refuse(error)
    }
  }

  /** Returns nothing if all answers are here at once. */
  function subscribe(session: Session, connection: EventStream, asked: EventRequest): Promise<void> | undefined {
    const { commands, positions, sharesId } = asked
    const subscriptions: Subscription[] = []
    const isCaughtUp = () =>
      subscriptions.length === commands.length && subscriptions.every(({ state }) => state !== 'waiting')
    // Replays come one stream after the other. Only after them does the id of a message stand for all messages before it.
    if (sharesId) connection.withholdIds(isCaughtUp)
    const took = (subscribed: Subscribed) => {
      if (typeof subscribed !== 'string') subscriptions.push(subscribed)
      else if (subscribed !== 'over') throw new SubscriptionRejected(subscribed)
    }
    const goOn = (): Promise<void> | undefined => {
      while (subscriptions.length < commands.length && !session.ended) {
        const { presence: _, ...command } = commands[subscriptions.length]!
        metrics.client_msg_total++
        const started = performance.now()
        const subscribed = session.subscribe(command, positions)
        metrics.commandTook(performance.now() - started)
        if (subscribed instanceof Promise) return subscribed.then(took).then(goOn)
        took(subscribed)
      }
      if (!session.ended) subscribedToAll(session, connection, asked, subscriptions, isCaughtUp)
      return undefined
    }
    return goOn()
  }

  function subscribedToAll(
    session: Session,
    connection: EventStream,
    { commands, positions, sharesId }: EventRequest,
    subscriptions: readonly Subscription[],
    isCaughtUp: () => boolean,
  ): void {
    // A join is announced to its stream, so the client joins only after we granted all subscriptions.
    commands.forEach((command, at) => {
      if (command.presence !== undefined) session.join(command, subscriptions[at]!)
    })
    // A browser that loses its connection before its first message reconnects with this position. While it waits for its
    // replay it must keep the one that it has.
    const [first, another] = subscriptions
    const { history, listening } = shared
    const stream = first?.grant.streams[0]
    if (stream === undefined || history === undefined || (another !== undefined && !sharesId)) return
    const { streams, position } = first!.grant
    const place = position ?? positions.page ?? positions.seen
    const beginsNow = another === undefined && place === undefined && !asksForHistory(commands[0]!.history)
    if (!beginsNow && !isCaughtUp()) return
    const { seen, epoch } = beginsNow ? listening.now(streams) : history
    connection.sendLastEventId(stream, { offset: seen, epoch })
  }
}

/** Each request is a new session; the browser's Last-Event-ID names the last event that it has. */
const WISHES: Wishes = { previousSid: '', pingInterval: undefined, pingPrecision: 's' }

/** The ends of a wait for the app or for keys. */
const ASKS_TO_RECONNECT: ReadonlySet<EndingCode> = new Set([
  'admission_timeout',
  'rpc_unavailable',
  'token_keys_unavailable',
  'remote',
  'server_restart',
])

/** A browser reconnects after 200, but after no other status. */
function askToReconnect(response: ServerResponse, cors: Headers): void {
  response.writeHead(200, { ...cors, 'content-type': 'text/event-stream', connection: 'close' })
  response.end('retry: 3000\n\n')
}

async function readText(request: IncomingMessage, maxSize: number): Promise<string> {
  try {
    return decodeBody(await readBody(request, maxSize))
  } catch (cause) {
    if (!(cause instanceof RequestRefused)) throw cause
    throw new EventsRefused(cause.code === 'too_large' ? 'message_too_large' : 'text_malformed', { cause })
  }
}

/** Returns status, code and fix. Throws an error that is not a refusal again. */
function answerTo(error: unknown, dev: boolean): readonly [status: number, code: string, fix: string] {
  if (error instanceof EventsRefused) return [EVENT_REFUSALS[error.code][0], error.code, error.message]
  if (error instanceof SessionRefused) return [401, ENDINGS[error.code].tell, error.message]
  if (!(error instanceof SubscriptionRejected)) throw error
  const { code } = error
  return [400, dev || TEMPORARY_REJECTIONS.has(code) ? code : 'rejected', REJECTIONS[code]]
}

type Headers = Record<string, string>

/** Lets a page of an allowed origin read the answer; it may send cookies only if its origin is allowed by name. */
function corsHeaders(origin: string | undefined, allowed: readonly string[]): Headers {
  if (origin === undefined) return {}
  if (allowed.length === 0 || allowed.includes('*')) return { 'access-control-allow-origin': '*' }
  if (!originAllowed(origin, allowed)) return {}
  return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'origin' }
}
