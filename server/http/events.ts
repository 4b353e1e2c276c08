/**
 * /events: where server-sent events begin.
 *
 *   200 and events      400 what was asked for is rejected, with its code      401 the token      403 the origin
 */
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Admission } from '../admission.ts'
import { newSid } from '../admission.ts'
import { ENDINGS, REJECTIONS, type RejectionCode, SessionRefused } from '../errors.ts'
import { parsePosition } from '../history/history.ts'
import { parseCommand } from '../protocol/action-cable.ts'
import { originAllowed } from '../protocol/negotiate.ts'
import { Session } from '../session.ts'
import type { Sessions } from '../sessions.ts'
import type { Values } from '../settings.ts'
import type { Heartbeat } from '../transport/heartbeat.ts'
import { createEventStream } from '../transport/sse.ts'
import type { Turn } from '../transport/turn.ts'

export interface EventParts {
  admission: Admission
  sessions: Sessions
  heartbeat: Heartbeat
  turn: Turn
  sent: (bytes: number, frames: number) => void
  slow: () => void
  /** Whether nobody is let in any more. */
  draining: () => boolean
}

type Env = { Bindings: HttpBindings }

export function createEventRoutes(settings: Values, parts: EventParts): Hono {
  const { admission, sessions, heartbeat } = parts
  const explained = { ...admission.shared, explain: true }
  const {
    sse_path: path,
    allowed_origins: allowedOrigins,
    dev: explain,
    ws_max_pending_size: maxPendingSize,
  } = settings
  const routes = new Hono<Env>()
  const fail = (c: Context, status: 400 | 401 | 403 | 405, code: string, fix: string) =>
    c.json({ error: code, ...(explain ? { message: fix } : {}) }, status)

  routes.use(path, async (c, next) => {
    const origin = c.req.header('origin')
    // Without an Origin it is the same origin, or no browser at all.
    if (origin !== undefined && !originAllowed(origin, allowedOrigins))
      return fail(c, 403, 'origin_not_allowed', 'add its host to --allowed_origins')
    // Any other answer than 200 and a browser never comes back.
    if (parts.draining())
      return c.body('retry: 3000\n\n', 200, { 'content-type': 'text/event-stream', connection: 'close' })
    return await next()
  })
  routes.options(path, c =>
    c.body(null, 204, {
      ...cors(c, allowedOrigins),
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'content-type, last-event-id, x-jid',
    }),
  )
  routes.get(path, c => begin(c, [subscribeCommand(c)], true))
  routes.post(path, bodyLimit({ maxSize: settings.max_message_size }), async c => {
    const lines = (await c.req.text()).split('\n').filter(line => line.trim() !== '')
    return begin(
      c,
      lines.map(line => parseCommand(line)?.identifier && line),
      false,
    )
  })
  routes.all(path, c => fail(c, 405, 'method_not_allowed', 'GET one subscription, or POST several'))

  function begin(c: Context<Env>, commands: readonly (string | undefined)[], unwrapped: boolean): Response {
    const { outgoing } = c.env
    const sid = newSid()
    const format = { raw: /^(1|t|y|true)$/i.test(c.req.query('raw') ?? ''), unwrapped }
    const stream = createEventStream(outgoing as import('node:http').ServerResponse, format, {
      maxPendingSize,
      turn: parts.turn,
      sent: parts.sent,
    })
    let session: Session
    try {
      const { identity, anonymous } = admission.authenticate(
        { url: c.env.incoming.url ?? '', headers: c.env.incoming.headers },
        sid,
      )
      session = new Session({ sid, identity, anonymous, resumable: false, connection: stream }, explained)
    } catch (error) {
      if (!(error instanceof SessionRefused)) throw error
      return fail(c, 401, ENDINGS[error.code].tell, error.message)
    }
    for (const command of commands) if (command !== undefined) session.receive(asSubscribe(command))
    const rejection = stream.held.find(({ type }) => type === 'reject_subscription') as
      | { code?: RejectionCode }
      | undefined
    if (rejection !== undefined || commands.includes(undefined)) {
      session.end()
      const code = rejection?.code ?? 'identifier_missing'
      return fail(c, 400, explain ? code : 'rejected', REJECTIONS[code])
    }
    sessions.add(session)
    const pinged = { beat: stream.ping }
    const pings = heartbeat.add(pinged, { interval: settings.ping_interval, precision: 's' })
    stream.listen({
      drained: () => session.drained(),
      tooSlow: () => {
        parts.slow()
        outgoing.destroy()
      },
      closed: () => {
        pings?.delete(pinged)
        sessions.lost(session)
      },
    })
    stream.open(cors(c, allowedOrigins))
    return RESPONSE_ALREADY_SENT
  }
  return routes as unknown as Hono
}

/** All that is POSTed is a subscription, whatever it calls itself, as in the reference. */
const asSubscribe = (line: string): string => JSON.stringify({ ...JSON.parse(line), command: 'subscribe' })

/** A browser may ask from another origin only where that is allowed; where all is, without its cookies. */
function cors(c: Context, allowed: readonly string[]): Record<string, string> {
  const origin = c.req.header('origin')
  if (origin === undefined) return {}
  return allowed.length === 0
    ? { 'access-control-allow-origin': '*' }
    : { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'origin' }
}

/** The one subscription of a GET; `undefined`: it names none. */
function subscribeCommand(c: Context): string | undefined {
  const identifier = identifierOf(c)
  const since = Number(c.req.query('history_since'))
  return (
    identifier && JSON.stringify({ command: 'subscribe', identifier, ...(since > 0 ? { history: { since } } : {}) })
  )
}

function identifierOf(c: Context): string | undefined {
  const { identifier, channel, stream, signed_stream, turbo_signed_stream_name, position } = c.req.query()
  if (identifier) return identifier
  // What the browser has seen is newer than the page, which it goes on showing.
  const [, seen] = /^(\d+\/[^/]+)\//.exec(c.req.header('last-event-id') ?? '') ?? []
  const at = parsePosition(seen) === undefined ? position : seen
  const params = channel
    ? { channel }
    : stream
      ? { channel: '$pubsub', stream_name: stream }
      : signed_stream
        ? { channel: '$pubsub', signed_stream_name: signed_stream }
        : turbo_signed_stream_name && { channel: 'Turbo::StreamsChannel', signed_stream_name: turbo_signed_stream_name }
  return params ? JSON.stringify({ ...params, ...(at === undefined ? {} : { position: at }) }) : undefined
}
