/**
 * Settings: one table in sections, from which --help, .env.example and the tables of docs/operating.md are printed.
 *
 * Names are AnyCable's, so that an operator can swap one for the other. Settings that AnyCable does not have are HOTCABLE_… in
 * the environment.
 */
import {
  adapters,
  bool,
  bytesAtOnce,
  choice,
  choices,
  file,
  folder,
  headers,
  host,
  list,
  origins,
  outbox,
  parameter,
  path,
  paths,
  proxies,
  redisUrl,
  rpcHost,
  secret,
  secrets,
  sentinels,
  streamNames,
  tags,
  text,
  url,
  whole,
  workers,
} from './readers.ts'
import { flag, older, ourFlag, ours, type Setting, setting } from './setting.ts'

const LISTENING = {
  host: setting('HOST', host, 'localhost', 'Address to listen on.'),
  port: {
    ...setting('PORT', whole(0, 65535), 8080, 'Port for clients, and for broadcasts once a key is set.'),
    otherVariable: 'PORT',
  },
  path: setting('PATHS', paths, ['/cable'], 'Paths where clients connect; comma-separated.'),
  'health-path': setting('PATH', path, '/health', 'Path that answers 200 while the cable is alive.'),
  'ready-path': ours(
    'PATH',
    path,
    '/ready',
    'Path that answers 200 while clients are welcome, and 503 while the cable drains or its broker is away.',
  ),
  client_js: ours(
    'HOW',
    choice('on', 'off'),
    'on',
    'Serve hotcable.js and hotcable-streams.js to pages, at / and below --path: on or off.',
  ),
  allowed_origins: setting(
    'HOSTS',
    origins,
    [],
    'Hosts of pages that may connect, as host[:port] or *.host; comma-separated. Default: all hosts.',
  ),
  trusted_proxies: ours(
    'ADDRESSES',
    proxies,
    [],
    'Proxies whose X-Forwarded-For names the address of a client, for the log and for an app: addresses, blocks such as 10.0.0.0/8, or private, if no client has a private address; comma-separated. Default: none.',
  ),
  presets: setting(
    'NAMES',
    choices('none', 'broker', 'fly', 'heroku'),
    [],
    'Bundles of settings, comma-separated: fly and heroku (listen on all interfaces), broker (--broker=memory), or none. Default: by the platform that the cable recognizes.',
  ),
  ssl_cert: setting('FILE', file, '', 'TLS certificate (PEM). With it the cable serves TLS.'),
  ssl_key: setting('FILE', file, '', 'TLS private key of that certificate (PEM).'),
}

const TOKENS = {
  secret: setting(
    'SECRET',
    secret,
    '',
    'One secret for all: it verifies tokens and stream names, and the keys of backends derive from it.',
  ),
  jwt_secret: setting('SECRET', secret, '', 'Secret of tokens (HS256, HS384, HS512). Default: --secret.'),
  jwt_previous_secrets: ours('SECRETS', secrets, [], 'Former token secrets that still verify; comma-separated.'),
  jwt_public_key: ours(
    'PEM',
    text,
    '',
    'Public key of tokens (RS, PS, ES, EdDSA) as PEM, or the file with it; several keys for a rotation. Then the cable reads no tokens that are signed with a secret.',
  ),
  jwks_url: ours(
    'URL',
    url,
    '',
    'URL of the public keys of an identity provider (JWKS), in place of --jwt_public_key.',
  ),
  jwt_issuer: ours('TEXT', text, '', 'With a public key: the iss that tokens must have. Default: any.'),
  jwt_audience: ours(
    'TEXTS',
    list,
    [],
    'With a public key: the values that the aud of a token may have; comma-separated. Default: any.',
  ),
  jwt_identity_claim: ours(
    'CLAIM',
    text,
    'ext',
    'With a public key: the claim of a token that is the identity, such as sub.',
  ),
  jwt_close_on_expiry: ourFlag('End a session when its token expires, with token_expired.'),
  jwt_param: setting(
    'NAME',
    parameter,
    'jid',
    'Name of the token: ?NAME= or header x-NAME. (A subprotocol anycable-token.<token> works too.)',
  ),
  enforce_jwt: flag('Refuse clients without a token even with --noauth.'),
  noauth: flag('Accept clients without a token.'),
  public: flag('Switch on --noauth and --public_streams, and accept broadcasts without a key.', {
    noauth: true,
    public_streams: true,
    broadcast_key: 'none',
  }),
  jwt_id_key: older('jwt_secret', ['SECRET', secret, '']),
  jwt_id_param: older('jwt_param', ['NAME', parameter, '']),
  jwt_id_enforce: older('enforce_jwt', ['', bool, false]),
}

const STREAMS = {
  streams_secret: setting('SECRET', secret, '', 'Secret of signed stream names. Default: --secret.'),
  streams_previous_secrets: ours(
    'SECRETS',
    secrets,
    [],
    'Former secrets of signed names, of every channel; comma-separated.',
  ),
  streams_purpose: ours(
    'TEXT',
    text,
    '',
    "Purpose that signed names must have, as Rails' verifier writes it. Default: no purpose.",
  ),
  public_streams: flag('Allow unsigned names on $pubsub.'),
  streams_whisper: flag('Allow whispers on names signed for $pubsub.'),
  streams_presence: setting('BOOL', bool, true, 'Allow presence on names signed for $pubsub.'),
  turbo_streams: flag('Serve Turbo::StreamsChannel.'),
  turbo_streams_secret: setting('SECRET', secret, '', "Secret of Turbo's signed names. Default: --streams_secret."),
  turbo_rails_key: older('turbo_streams_secret', ['SECRET', secret, ''], { implies: { turbo_streams: true } }),
  turbo_rails_cleartext: flag('Accept unsigned names from Turbo: a client with a token may listen to any stream.', {
    turbo_streams: true,
    enforce_jwt: true,
  }),
  rails_secret_key_base: ours(
    'SECRET',
    secret,
    '',
    "Rails' secret_key_base. The cable derives Turbo's key from it, as Rails does. Without a token secret, clients need no token.",
  ),
  subscribe_url: ours(
    'URL',
    url,
    '',
    'URL of the app that the cable asks whether a client may subscribe, for the streams of the next two settings.',
  ),
  subscribe_streams: ours(
    'NAMES',
    streamNames,
    [],
    'Streams to ask for, or beginnings of their names with * behind; comma-separated.',
  ),
  subscribe_purpose: ours(
    'TEXT',
    text,
    '',
    "Purpose in a signed name, as Rails' verifier writes it, that makes the cable ask for its stream.",
  ),
  subscribe_key: ours('KEY', text, '', 'Bearer key of these questions. Default: derived from --secret.'),
  subscribe_concurrency: ours('N', whole(1, 1000), 50, 'Questions that the app gets at once; further ones wait.'),
  cable_ready: flag('Serve CableReady::Stream.'),
  cable_ready_secret: setting('SECRET', secret, '', "Secret of CableReady's signed names. Default: --streams_secret."),
  cable_ready_key: older('cable_ready_secret', ['SECRET', secret, ''], { implies: { cable_ready: true } }),
  cable_ready_cleartext: flag(
    'Accept unsigned names from CableReady: a client with a token may listen to any stream.',
    {
      cable_ready: true,
      enforce_jwt: true,
    },
  ),
}

const BACKENDS = {
  broadcast_adapter: setting(
    'NAMES',
    adapters,
    ['http'],
    'Ways in for broadcasts: http, redis, redisx, outbox; comma-separated. Without http, POST is refused.',
  ),
  outbox: ours('DATABASE', outbox, '', 'Database with the table of the outbox: sqlite:PATH or postgres://…'),
  broadcast_key: setting('KEY', text, '', 'Bearer key of broadcasts; none: no key. Default: derived from --secret.'),
  broadcast_previous_keys: ours('KEYS', secrets, [], 'Former broadcast keys that still work; comma-separated.'),
  http_broadcast_port: setting(
    'PORT',
    whole(0, 65535),
    -1,
    'Port for broadcasts. Default: --port with a key, 8090 without.',
  ),
  http_broadcast_path: setting('PATH', folder, '/_broadcast', 'Path where backends POST broadcasts.'),
  http_broadcast_secret: older('broadcast_key', ['KEY', text, ''], { outranks: true }),
  max_broadcast_size: ours('BYTES', bytesAtOnce, 1 << 20, 'Largest body of a broadcast.'),
  api_port: setting('PORT', whole(0, 65535), -1, 'Port of the REST API. Default: --port.'),
  api_path: setting('PATH', folder, '/api', 'Path of the REST API.'),
  api_secret: setting(
    'KEY',
    text,
    '',
    'Bearer key of the REST API; none: no key. Default: derived from --secret. Without a key the API needs --api_port.',
  ),
  api_previous_secrets: ours('KEYS', secrets, [], 'Former keys of the REST API that still work; comma-separated.'),
}

const REDIS = {
  redis_url: {
    ...setting(
      'URL',
      redisUrl,
      'redis://localhost:6379',
      'Redis or Valkey: redis://[[user]:password@]host[:port][/database], or rediss:// for TLS. With Sentinels the host is the name of the master.',
    ),
    otherVariable: 'REDIS_URL',
  },
  redis_sentinels: setting(
    'HOSTS',
    sentinels,
    [],
    'Sentinels, as host:port or as URLs with their own user, password and TLS; comma-separated.',
  ),
  redis_tls_verify: {
    ...flag('Verify the certificate of Redis and its Sentinels; on, unless you set it to false.'),
    fallback: true,
  },
  redis_tls_ca_cert_path: setting(
    'FILE',
    file,
    '',
    'CA of these certificates (PEM). Default: the CAs that Node trusts.',
  ),
  redis_tls_client_cert_path: setting(
    'FILE',
    file,
    '',
    'Certificate of the cable, for a Redis that asks for one (PEM).',
  ),
  redis_tls_client_key_path: setting('FILE', file, '', 'Private key of that certificate (PEM).'),
  redis_channel: setting('NAME', text, '__anycable__', 'With redis: the Pub/Sub channel where backends publish.'),
  redisx_stream: setting('NAME', text, '__anycable__', 'With redisx: the stream to which backends add entries.'),
  redisx_group: setting('NAME', text, 'bx', 'With redisx: the consumer group that reads the stream.'),
  redisx_read_block_milliseconds: setting(
    'N',
    whole(1),
    2000,
    'With redisx: how long one read waits for an entry, at most 4000.',
  ),
  redis_prefix: ours(
    'TEXT',
    text,
    'hotcable:',
    'Beginning of the names of all keys that the cable itself makes in Redis.',
  ),
}

const milliseconds = whole(0, 600_000)

const RPC = {
  rpc_host: setting(
    'HOST',
    rpcHost,
    '',
    'RPC server of an app with Action Cable channels: http(s)://host:port/_anycable, or for gRPC host:port, dns:///host:port, grpc-list://host:port,host:port. Default: none, so the cable calls no RPC server. (The default of AnyCable is localhost:50051.)',
  ),
  norpc: flag('Call no RPC server, even with --rpc_host.'),
  rpc_impl: setting(
    'NAME',
    choice('auto', 'http', 'grpc', 'none'),
    'auto',
    'Transport of RPC: http, grpc, none. Default: by --rpc_host.',
  ),
  rpc_concurrency: setting('N', whole(1, 100_000), 28, 'Calls that the RPC server gets at once, from each process.'),
  max_rpc_waiting: ours(
    'N',
    whole(0),
    10_000,
    'Calls that wait for their turn. The cable refuses further ones, but never an unsubscribe or a disconnect.',
  ),
  rpc_request_timeout: setting('MS', milliseconds, 0, 'Time for one attempt of a call. 0: 3000.'),
  rpc_command_timeout: setting('MS', whole(1, 600_000), 3000, 'Time for a call, with all attempts.'),
  http_rpc_secret: setting(
    'KEY',
    text,
    '',
    'Bearer key that the cable sends to an RPC server over HTTP; none: no key. Default: derived from --secret.',
  ),
  http_rpc_timeout: older('rpc_request_timeout', ['MS', milliseconds, 0]),
  rpc_enable_tls: flag('Connect to a gRPC server over TLS.'),
  rpc_tls_verify: {
    ...flag('Verify the certificate of a gRPC server; on, unless you set it to false.'),
    fallback: true,
  },
  rpc_tls_root_ca: setting(
    'PEM',
    text,
    '',
    'CA of that certificate, as PEM or as a file; with it the cable connects over TLS. Default: the CAs that Node trusts.',
  ),
  rpc_max_call_recv_size: setting('BYTES', whole(0, 1 << 28), 0, 'Largest answer of an RPC server. 0: 16 MiB.'),
  rpc_max_call_send_size: setting('BYTES', whole(0, 1 << 28), 0, 'Largest request to a gRPC server. 0: 16 MiB.'),
  headers: setting(
    'NAMES',
    headers,
    ['cookie'],
    'Headers of a client that the RPC server, or --subscribe_url, gets; comma-separated. REMOTE_ADDR is always among them, and for RPC the header of a token.',
  ),
  'proxy-cookies': setting(
    'NAMES',
    list,
    [],
    'Cookies that they get, if cookie is among --headers; comma-separated. Default: all.',
  ),
  disconnect_mode: setting(
    'MODE',
    choice('auto', 'always', 'never'),
    'auto',
    'Clients of which the RPC server hears when they have gone. auto: those for which it answered a call.',
  ),
  disconnect_rate: setting('N', whole(1), 100, 'Such calls per second.'),
  disable_disconnect: flag('Short for --disconnect_mode=never.', { disconnect_mode: 'never' }),
}

const EVENTS = {
  sse: flag('Serve server-sent events.'),
  sse_path: setting('PATH', path, '/events', 'Path of server-sent events.'),
}

const HISTORY = {
  broker: setting(
    'NAME',
    choice('memory', 'redis', 'none'),
    'memory',
    'Store of history, presence and lost sessions. memory: this process; redis: --redis_url, for several cables; none: the cable keeps none of them.',
  ),
  history_limit: setting('N', whole(1, 100_000), 100, 'Messages that the history keeps for each stream.'),
  history_ttl: setting('SECONDS', whole(1, 86_400), 300, 'How long the history keeps a message.'),
  history_max_size: ours('BYTES', whole(1), 64 << 20, 'Bytes of history in all; the oldest messages give way.'),
  history_since: ours('BOOL', bool, true, 'Let clients ask for messages since a time.'),
  heal: ours(
    'HOW',
    choice('refresh', 'off'),
    'refresh',
    'Ask a Turbo page that may have missed messages to refresh; off: do not ask.',
  ),
  heal_rate: ours('N', whole(1), 50, 'Pages per second that the cable asks to refresh.'),
  heal_delay: ours(
    'SECONDS',
    whole(0, 3600),
    5,
    'How long the cable waits after its start before it asks pages to refresh.',
  ),
  heal_check: ours(
    'URL',
    url,
    '',
    'Ask pages to refresh only while this URL answers with a status below 500, but not 429.',
  ),
}

const SESSIONS = {
  sessions_ttl: setting('SECONDS', whole(0, 86_400), 300, 'How long a lost session can be resumed; 0: never.'),
  max_lost_sessions: ours('N', whole(0), 100_000, 'Lost sessions that the cable keeps; the oldest give way.'),
  max_lost_sessions_size: ours('BYTES', whole(0), 64 << 20, 'Bytes of lost sessions in all; the oldest give way.'),
  presence_ttl: setting('SECONDS', whole(1, 86_400), 15, 'How long a lost session still counts as present.'),
  presence_max_size: ours('BYTES', whole(1), 16 << 20, 'Bytes of presence in all; the oldest members give way.'),
  max_presence_info_size: ours(
    'BYTES',
    whole(1),
    4096,
    'Largest info of a presence member (as JSON) and its id, together.',
  ),
  max_presence_answer_size: ours(
    'BYTES',
    whole(1),
    256 << 10,
    'Bytes of presence members in one answer; the answer says when it leaves members out.',
  ),
}

const LIMITS = {
  workers: ours(
    'N',
    workers,
    1,
    'Processes that serve clients, each on a core; auto: as many as the machine has cores. Limits of sessions and connections are shared out.',
  ),
  max_unauthenticated: ours('N', whole(1), 10_000, 'Connections that are not sessions (yet).'),
  handshake_timeout: ours(
    'SECONDS',
    whole(1, 3600),
    5,
    'How long a client may take for its TLS handshake, and to send its headers.',
  ),
  max_header_size: ours('BYTES', whole(1024, 1 << 20), 16_384, 'Largest headers of a request.'),
  max_sessions: ours('N', whole(1), 100_000, 'Sessions of all clients.'),
  'max-conn': setting(
    'N',
    whole(0),
    0,
    'Sessions of all clients, in place of --max_sessions if it is lower; 0: no limit.',
  ),
  max_sessions_per_identity: ours('N', whole(1), 10_000, 'Sessions of one identity.'),
  max_subscriptions: ours(
    'N',
    whole(1),
    150,
    'Subscriptions of one page. A session may hold twice as many: the next page subscribes while the last one unsubscribes.',
  ),
  max_identifiers_size: ours(
    'BYTES',
    whole(1),
    -1,
    'Bytes of all identifiers of one session. Default: 2 × --max_subscriptions × 512.',
  ),
  max_identifier_length: ours('N', whole(1), 4096, 'Longest identifier, in UTF-16 units.'),
  max_message_size: setting('BYTES', bytesAtOnce, 65536, 'Largest message of a client.'),
  max_command_burst: ours(
    'N',
    whole(1),
    300,
    'Commands that a client may send at once; at least 2 × --max_subscriptions. Further commands wait.',
  ),
  max_command_rate: ours(
    'N',
    whole(1),
    50,
    'Commands per second after the burst; each KiB of a command counts as one.',
  ),
  max_whisper_size: ours('BYTES', whole(1), 16 << 10, 'Largest data of a whisper, as JSON.'),
  ws_max_pending_size: setting('BYTES', whole(0), 1 << 20, 'Bytes that may wait for one slow client; 0: no limit.'),
}

const PINGS = {
  ping_interval: setting('SECONDS', whole(1, 3600), 3, 'Time between pings; clients reconnect after two missed ones.'),
  ping_timestamp_precision: setting('UNIT', choice('s', 'ms', 'ns'), 's', 'Unit of the time in a ping: s, ms or ns.'),
  pong_timeout: setting(
    'SECONDS',
    whole(0, 3600),
    0,
    'How long an extended client may take to answer a ping; 0: for ever.',
  ),
  enable_native_pings: flag('Always so: the cable probes silent connections with WebSocket pings.'),
}

const STOPPING = {
  shutdown_delay: setting(
    'SECONDS',
    whole(0, 3600),
    0,
    'How long /ready answers 503 before the cable begins to disconnect clients.',
  ),
  shutdown_drain: ours(
    'SECONDS',
    whole(0, 3600),
    -1,
    'How long the cable takes to disconnect all clients, a few at a time. Default: a third of --shutdown_timeout.',
  ),
  shutdown_timeout: setting('SECONDS', whole(0, 3600), 30, 'How long a shutdown may take.'),
}

const interval = whole(1, 86_400)

const OPERATING = {
  log_level: setting(
    'LEVEL',
    choice('debug', 'info', 'warn', 'error'),
    'info',
    'Lowest level in the log: debug, info, warn or error.',
  ),
  log_format: setting('FORMAT', choice('text', 'json'), 'text', 'Format of the log: text or json.'),
  debug: flag('Short for --log_level=debug.', { log_level: 'debug' }),
  metrics_http: setting('PATH', path, '', 'Serve Prometheus metrics at this path, such as /metrics. Default: off.'),
  metrics_port: setting('PORT', whole(0, 65535), -1, 'Port of the metrics. Default: --port.'),
  metrics_host: setting('HOST', host, '', 'Address of the metrics. Default: --host.'),
  metrics_tags: setting(
    'TAGS',
    tags,
    [],
    'Labels of every metric in the answer at --metrics_http, as name:value; comma-separated.',
  ),
  metrics_log: flag('Write the metrics to the log.'),
  metrics_rotate_interval: setting('SECONDS', interval, 15, 'Time between two logs of metrics.'),
  metrics_log_interval: older('metrics_rotate_interval', ['SECONDS', interval, -1]),
  metrics_log_filter: setting(
    'NAMES',
    list,
    [],
    'Log only these metrics, such as clients_num; comma-separated. Default: all.',
  ),
  dev: ourFlag(
    'For development: tell clients why they are refused, name probable mistakes in the log and on pages, accept development secrets.',
  ),
}

/** The table, by the headings of its sections. */
export const SECTIONS: Readonly<Record<string, Readonly<Record<string, Setting<unknown>>>>> = {
  'Addresses and paths': LISTENING,
  'Tokens of clients': TOKENS,
  'Streams and channels': STREAMS,
  'Broadcasts and the REST API': BACKENDS,
  Redis: REDIS,
  'RPC: channels of an app': RPC,
  'Server-sent events': EVENTS,
  'History and healing': HISTORY,
  'Lost sessions and presence': SESSIONS,
  'Limits of clients': LIMITS,
  Pings: PINGS,
  Shutdown: STOPPING,
  'Log, metrics and development': OPERATING,
}

export const SETTINGS = {
  ...LISTENING,
  ...TOKENS,
  ...STREAMS,
  ...BACKENDS,
  ...REDIS,
  ...RPC,
  ...EVENTS,
  ...HISTORY,
  ...SESSIONS,
  ...LIMITS,
  ...PINGS,
  ...STOPPING,
  ...OPERATING,
}

export type SettingName = keyof typeof SETTINGS
type Rows = typeof SETTINGS
/** The values of all settings, under their newer names. */
export type Values = {
  [name in SettingName as Rows[name] extends { newer: string } ? never : name]: ReturnType<Rows[name]['read']>
}

/** The environment names of a setting, first wins. */
export function envNames(name: SettingName): readonly string[] {
  const { prefix, otherVariable }: Setting<unknown> = SETTINGS[name]
  const own = `${prefix}_${name.toUpperCase().replaceAll('-', '_')}`
  return otherVariable === undefined ? [own] : [own, otherVariable]
}

/** Whether the value of a setting is a secret, or several. */
export const isSecret = (name: SettingName): boolean => /^(SECRET|KEY)S?$/.test(SETTINGS[name].shape)

/** An example of a value, for a message. */
export const exampleOf = (name: SettingName): string => {
  const { fallback, shape } = SETTINGS[name]
  const usual = Array.isArray(fallback) || fallback === -1 ? '' : String(fallback)
  return usual || (EXAMPLES[shape] ?? shape)
}

const EXAMPLES: Record<string, string> = {
  PATH: '/metrics',
  PATHS: '/cable',
  PORT: '8090',
  SECONDS: '10',
  HOSTS: 'app.example.com',
  FILE: '/etc/ssl/cable.pem',
  DATABASE: 'sqlite:/var/lib/app/app.sqlite',
  URL: 'http://127.0.0.1:3000/health',
}
