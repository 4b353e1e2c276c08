/**
 * Every refusal, cut, gap and ignored command: a stable code, the reason that the client gets, and the fix that the operator
 * gets.
 *
 * A refusal is a row here, not logic at the throw site. `tell` is the reason that Action Cable clients know; `fix` is one
 * line for the operator or developer, is logged, and reaches the client only with --dev. Codes are metric labels: never
 * rename one. A code in two tables has one meaning; the tables differ in how the client gets the answer.
 */

interface Ending {
  /** The `reason` of the disconnect frame; empty: we send none. */
  tell: string
  /** Whether the client should reconnect. */
  reconnect: boolean
  /** The WebSocket close that follows: code and text. */
  close: readonly [code: number, text: string]
  fix: string
}

export const AUTH_FAILED = [1000, 'Auth Failed'] as const
const unauthorized = (fix: string): Ending => ({ tell: 'unauthorized', reconnect: false, close: AUTH_FAILED, fix })

/** Why a session is refused, or ended. */
export const ENDINGS = {
  token_missing: unauthorized('send ?jid=<token>, an x-jid header or an anycable-token.<token> subprotocol'),
  token_invalid: unauthorized(
    'give app and cable the same ANYCABLE_SECRET (or --jwt_secret), and sign with HS256, HS384 or HS512; with --jwt_public_key or --jwks_url, sign with its private key',
  ),
  token_not_yet_valid: unauthorized('its nbf is more than 5 s in the future: compare the clocks of both machines'),
  token_ext_invalid: unauthorized('the ext claim must be a string: the identity as JSON, encoded once more'),
  token_identity_missing: unauthorized('the claim that --jwt_identity_claim names (ext, by default) must be a string'),
  token_issuer_mismatch: unauthorized('the iss claim must equal --jwt_issuer'),
  token_audience_mismatch: unauthorized('the aud claim must have an entry of --jwt_audience'),
  token_key_unknown: unauthorized('no key of --jwt_public_key or --jwks_url fits the alg and kid of the token'),
  token_keys_unavailable: {
    tell: 'token_keys_unavailable',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'the cable could not look up the key of the token: --jwks_url did not answer, or was asked less than 30 s ago',
  },
  token_expired: { tell: 'token_expired', reconnect: false, close: AUTH_FAILED, fix: 'issue a new token' },
  app_refused: unauthorized('the app refused the client: see its log'),
  app_closed: {
    tell: '',
    reconnect: true,
    close: [1011, 'Command Failed'],
    fix: 'the app closed the connection, after it told the client why, if at all',
  },
  rpc_unavailable: {
    tell: 'rpc_unavailable',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'the RPC server gave no answer, or status ERROR: see the log, and --rpc_host',
  },
  nobody_can_connect: unauthorized('the cable has no --jwt_secret: set one, or --noauth'),
  sessions_limit: {
    tell: 'sessions_limit',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'there are too many sessions: see --max_sessions',
  },
  identity_limit: {
    tell: 'sessions_limit',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'this identity has too many sessions: see --max_sessions_per_identity',
  },
  admission_timeout: {
    tell: 'admission_timeout',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'the cable waited 5 s to hear whether it may admit the client: from the app, or from the broker',
  },
  subscribe_unavailable: {
    tell: 'subscribe_unavailable',
    reconnect: true,
    close: [1013, 'Try again later'],
    fix: 'the app at --subscribe_url did not say within 8 s whether the client may subscribe',
  },
  permission_ended: {
    tell: 'permission_ended',
    reconnect: true,
    close: [1000, 'Permission ended'],
    fix: "the app's permission for a stream has ended: the client connects again, and the cable asks again",
  },
  remote: {
    tell: 'remote',
    reconnect: false,
    close: [1000, 'Closed remotely'],
    fix: 'a backend disconnected this identity',
  },
  server_restart: {
    tell: 'server_restart',
    reconnect: true,
    close: [1001, 'Server restart'],
    fix: 'reconnect: the cable stops',
  },
  no_pong: {
    tell: 'no_pong',
    reconnect: true,
    close: [1000, 'No Pong'],
    fix: 'answer pings with {"command":"pong"}: see --pong_timeout',
  },
  resumed_elsewhere: {
    tell: 'remote',
    reconnect: false,
    close: [1000, 'Resumed'],
    fix: 'a newer connection took this session over',
  },
  messages_missed: {
    tell: 'messages_missed',
    reconnect: true,
    close: [1000, 'Messages missed'],
    fix: 'the client may have missed messages: it connects again, and asks for its history',
  },
  too_slow: {
    tell: 'too_slow',
    reconnect: true,
    close: [1000, ''],
    fix: 'the client reads more slowly than the cable sends: see --ws_max_pending_size',
  },
  internal: {
    tell: 'internal_error',
    reconnect: true,
    close: [1011, 'Internal error'],
    fix: 'a bug of the cable: see its log',
  },
  malformed_flood: {
    tell: 'malformed_flood',
    reconnect: false,
    close: [1008, 'Too many malformed commands'],
    fix: 'the client sent over 100 messages in a second that are not commands: see the log at --log_level=debug',
  },
} as const satisfies Record<string, Ending>

/** Why a subscription is rejected: code → fix. */
export const REJECTIONS = {
  identifier_missing: 'send an identifier: a JSON string with a channel',
  identifier_too_deep: 'an identifier may nest lists and objects 64 levels deep',
  identifier_too_long: 'shorten the identifier, or raise --max_identifier_length',
  subscriptions_limit: 'one session holds too many subscriptions: see --max_subscriptions',
  identifiers_limit: 'the identifiers of one session have too many bytes: see --max_identifiers_size',
  channel_unknown: 'this cable does not serve that channel: is --turbo_streams on?',
  app_rejected: 'the app rejected the subscription: see its log',
  stream_name_missing: 'the identifier has neither signed_stream_name nor stream_name',
  stream_name_not_a_string: 'a stream name must be a JSON string, signed as such',
  stream_not_public: 'sign the name, or allow unsigned ones with --public_streams',
  stream_signature_malformed: 'a signed name is <base64 of JSON>--<hex HMAC-SHA256>',
  stream_signature_mismatch:
    'give the app and the cable the same ANYCABLE_SECRET (or --streams_secret, or --turbo_streams_secret)',
  stream_name_expired: 'the signed name has expired: render the page again',
  stream_purpose_mismatch: 'the name was signed for another purpose than --streams_purpose',
  stream_refused: 'the app at --subscribe_url refuses this stream to this identity',
  streams_key_missing: 'the cable has no secret to verify signed names: --streams_secret or --secret',
} as const

/** A client may subscribe again once it has left other subscriptions, so it gets these codes even without --dev. */
export const TEMPORARY_REJECTIONS: ReadonlySet<RejectionCode> = new Set(['subscriptions_limit', 'identifiers_limit'])

/** Why a command is ignored. The protocol has no words for this, so the client gets no answer. */
export const COMPLAINTS = {
  command_malformed: 'a command is a JSON object with a string command and a string identifier',
  command_too_deep: 'a command may nest lists and objects 64 levels deep',
  command_unknown: 'the cable knows subscribe, unsubscribe, history, whisper, join, leave, presence, ping and pong',
  command_unsupported: 'only a channel of an app takes actions, with --rpc_host: other streams just carry messages',
  message_not_text: 'the data of a message must be a string: JSON text, encoded once more',
  rpc_unavailable: 'the RPC server gave no answer, or status ERROR, so the command is lost: see the log',
  already_subscribed: 'this identifier is subscribed already',
  not_subscribed: 'this identifier is not subscribed',
  history_unusable: 'ask for history with since (Unix seconds) or streams',
  history_waiting: 'this subscription already waits for the history that it asked for',
  whisper_not_allowed: 'whispers need a public stream, or --streams_whisper and a name signed for $pubsub',
  whisper_too_large: "the whisper's data is too large, as JSON: see --max_whisper_size",
  presence_not_allowed: 'presence needs a public stream, or a name signed for $pubsub, and a broker',
  presence_id_missing: 'join with presence: {"id": …, "info": …}',
  presence_info_too_large: 'info and id are too large together: see --max_presence_info_size',
  presence_unavailable: 'the broker was away: join, leave or ask again',
  presence_id_mismatch: 'this session has joined the stream under another id',
} as const

/** Why a client may have missed messages of a stream: its page must be fetched again. */
export const GAPS = {
  gap_position_unknown: 'the page has no position: could its backend reach the cable while it rendered the page?',
  gap_restarted: 'the page was rendered before the cable started',
  gap_too_old: 'the history has dropped messages since: see --history_limit, --history_ttl and --history_max_size',
  gap_broker_away: 'the broker was away, and took no message of this stream meanwhile',
  gap_too_large: 'the missed messages have more bytes than may wait for one client: see --ws_max_pending_size',
} as const

interface Cut {
  /** The HTTP status, if the client can still read one. */
  status?: number
  fix: string
}

/** Why we refuse a request before we know its route, or cut a connection without ending its session first. */
export const CUTS = {
  connections_limit: {
    fix: 'too many connections have no session yet, and none of them is idle: see --max_unauthenticated',
  },
  connection_idle: { fix: 'the connection was idle, and made room for a new one: see --max_unauthenticated' },
  handshake_timeout: {
    status: 408,
    fix: 'the client sent its TLS handshake or its request too slowly: see --handshake_timeout',
  },
  header_too_large: {
    status: 431,
    fix: 'the headers are larger than --max_header_size',
  },
  request_malformed: { status: 400, fix: 'send HTTP/1.1; with --ssl_cert, over TLS' },
  host_malformed: { status: 400, fix: 'the Host header must be a host, with or without a port' },
  path_malformed: { status: 400, fix: 'the path has a . or .. between slashes, which a client must resolve itself' },
  origin_not_allowed: { status: 403, fix: "add the origin's host to --allowed_origins" },
  draining: { status: 503, fix: 'the cable is stopping: /ready tells a balancer to send clients elsewhere' },
  outbox_elsewhere: { status: 503, fix: 'another cable consumes the outbox, and admits its clients: /ready says so' },
  redisx_elsewhere: {
    status: 503,
    fix: 'another cable reads the Redis stream, and admits its clients: /ready says so',
  },
  websocket_version: {
    status: 426,
    fix: 'this cable speaks one version of WebSocket: Sec-WebSocket-Version: 13',
  },
  websocket_key: { status: 400, fix: 'Sec-WebSocket-Key must be 16 bytes in base64' },
  websocket_protocol: {
    status: 400,
    fix: 'Sec-WebSocket-Protocol must be a comma-separated list of different names',
  },
  message_too_large: { fix: 'a message of the client is larger than --max_message_size' },
  too_many_fragments: { fix: 'the client sent a message in more than 1024 fragments' },
  text_malformed: { fix: 'the client sent a text message that is not UTF-8' },
  frame_malformed: { fix: 'the client sent a frame that RFC 6455 forbids' },
  peer_vanished: { fix: 'the client answered no WebSocket ping: its machine or its network is gone' },
  commands_dropped: {
    fix: 'the client left, and its last commands would have waited too long: see --max_command_rate',
  },
} as const satisfies Record<string, Cut>

/** The log line of a cut. */
export function describeCut(code: CutCode): string {
  const { status, fix }: Cut = CUTS[code]
  return `${status === undefined ? 'connection ended' : 'request refused'}: ${fix}`
}

/** Why an HTTP request of a backend is refused: status and fix. */
export const REQUEST_REFUSALS = {
  unauthorized: [401, 'send Authorization: Bearer <key>'],
  cross_site: [403, 'a web page may not broadcast to a cable without a key: set --broadcast_key'],
  not_found: [404, 'the cable has no such route'],
  too_large: [413, 'the body is larger than --max_broadcast_size'],
  method_not_allowed: [422, 'use another method for this route'],
  publication_malformed: [422, 'send {"stream": …, "data": …}, a list of these, or a command'],
  broker_unavailable: [503, 'the broker is away and stored nothing: send it again, with the same meta.id'],
  presence_unsupported: [501, 'presence needs a broker: see --broker'],
  internal: [500, 'a bug of the cable: see its log'],
} as const satisfies Record<string, readonly [status: number, fix: string]>

/** The text of `unauthorized` about the key of a request. */
export const KEY_MISMATCH =
  'the key in Authorization does not match: set the same secret, or key, for cable and backend'

/** Why a request for server-sent events is refused: status and fix. */
export const EVENT_REFUSALS = {
  origin_not_allowed: [403, CUTS.origin_not_allowed.fix],
  method_not_allowed: [405, 'GET one subscription, or POST several'],
  message_too_large: [413, 'the body is larger than --max_message_size'],
  text_malformed: [400, 'the body is not UTF-8'],
  command_malformed: [400, COMPLAINTS.command_malformed],
  command_too_deep: [400, COMPLAINTS.command_too_deep],
  identifier_missing: [400, REJECTIONS.identifier_missing],
  already_subscribed: [400, 'two lines have the same identifier'],
  subscriptions_limit: [400, REJECTIONS.subscriptions_limit],
  history_unusable: [400, 'history_since is Unix time in seconds'],
  events_pipelined: [400, 'the answer before this one has not ended: use another connection for events'],
} as const satisfies Record<string, readonly [status: number, fix: string]>

export type EndingCode = keyof typeof ENDINGS
export type RejectionCode = keyof typeof REJECTIONS
export type ComplaintCode = keyof typeof COMPLAINTS
export type GapCode = keyof typeof GAPS
export type CutCode = keyof typeof CUTS
/** Why the cable refuses new clients for a while. */
export type ClosedCode = Extract<CutCode, 'draining' | 'outbox_elsewhere' | 'redisx_elsewhere'>
export type RequestRefusalCode = keyof typeof REQUEST_REFUSALS
export type EventRefusalCode = keyof typeof EVENT_REFUSALS
export type RefusalCode =
  | EndingCode
  | RejectionCode
  | ComplaintCode
  | GapCode
  | CutCode
  | RequestRefusalCode
  | EventRefusalCode

interface RefusalOptions extends ErrorOptions {
  reconnect?: boolean
  transmissions?: readonly string[]
}

export class SessionRefused extends Error {
  override readonly name = 'SessionRefused'
  readonly code: EndingCode
  /** Whether the client should reconnect. */
  readonly reconnect: boolean
  /** What the app tells the client, in place of our frame. */
  readonly transmissions: readonly string[] | undefined
  constructor(code: EndingCode, options: RefusalOptions = {}) {
    const { reconnect = ENDINGS[code].reconnect, transmissions, ...rest } = options
    super(`${code}: ${ENDINGS[code].fix}`, rest)
    this.code = code
    this.reconnect = reconnect
    this.transmissions = transmissions
  }
}

interface AppRejection {
  readonly transmissions: readonly string[]
  readonly disconnect: boolean
}

export class SubscriptionRejected extends Error {
  override readonly name = 'SubscriptionRejected'
  readonly code: RejectionCode
  /** The app's own words, in place of our frame. `disconnect`: it closes the connection, too. */
  readonly answer: AppRejection | undefined
  constructor(code: RejectionCode, { answer, ...options }: ErrorOptions & { answer?: AppRejection } = {}) {
    super(`${code}: ${REJECTIONS[code]}`, options)
    this.code = code
    this.answer = answer
  }
}

export class RequestRefused extends Error {
  override readonly name = 'RequestRefused'
  readonly code: RequestRefusalCode
  constructor(code: RequestRefusalCode, detail?: string, options?: ErrorOptions) {
    super(detail ?? REQUEST_REFUSALS[code][1], options)
    this.code = code
  }
}

export class EventsRefused extends Error {
  override readonly name = 'EventsRefused'
  readonly code: EventRefusalCode
  constructor(code: EventRefusalCode, options?: ErrorOptions) {
    super(EVENT_REFUSALS[code][1], options)
    this.code = code
  }
}
