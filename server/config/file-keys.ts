/**
 * The keys of anycable.toml, and the flag that each stands for: of this cable, or of AnyCable alone (anycable-flags.ts).
 *
 * Some keys have the name of their flag. Facts read from AnyCable 1.6.
 */

const SECTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': {
    node_id: 'node_id',
    secret: 'secret',
    broadcast_key: 'broadcast_key',
    noauth: 'noauth',
    public: 'public',
    broadcast_adapters: 'broadcast_adapter',
    pubsub_adapter: 'pubsub',
    presets: 'presets',
  },
  logging: { level: 'log_level', format: 'log_format', debug: 'debug' },
  server: {
    host: 'host',
    port: 'port',
    allowed_origins: 'allowed_origins',
    max_conn: 'max-conn',
    health_path: 'health-path',
    'ssl.cert_path': 'ssl_cert',
    'ssl.key_path': 'ssl_key',
  },
  app: {
    disconnect_mode: 'disconnect_mode',
    shutdown_disconnect_gopool_size: 'shutdown_pool_size',
    broadcast_gopool_size: 'hub_gopool_size',
    ping_interval: 'ping_interval',
    ping_timestamp_precision: 'ping_timestamp_precision',
    pong_timeout: 'pong_timeout',
    enable_native_ping: 'enable_native_pings',
    stats_refresh_interval: 'stats_refresh_interval',
    shutdown_timeout: 'shutdown_timeout',
    shutdown_delay: 'shutdown_delay',
  },
  ws: {
    paths: 'path',
    read_buffer_size: 'read_buffer_size',
    write_buffer_size: 'write_buffer_size',
    max_message_size: 'max_message_size',
    write_timeout: 'ws_write_timeout',
    max_pending_size: 'ws_max_pending_size',
    enable_compression: 'enable_ws_compression',
  },
  broker: {
    adapter: 'broker',
    history_ttl: 'history_ttl',
    history_limit: 'history_limit',
    sessions_ttl: 'sessions_ttl',
    presence_ttl: 'presence_ttl',
  },
  jwt: { secret: 'jwt_secret', param: 'jwt_param', force: 'enforce_jwt' },
  streams: {
    secret: 'streams_secret',
    public: 'public_streams',
    whisper: 'streams_whisper',
    presence: 'streams_presence',
    turbo: 'turbo_streams',
    turbo_secret: 'turbo_streams_secret',
    cable_ready: 'cable_ready',
    cable_ready_secret: 'cable_ready_secret',
  },
  http_broadcast: {
    port: 'http_broadcast_port',
    path: 'http_broadcast_path',
    secret: 'http_broadcast_secret',
    cors_headers: 'http_broadcast_cors',
  },
  sse: { enabled: 'sse', path: 'sse_path' },
  api: { port: 'api_port', path: 'api_path', secret: 'api_secret' },
  metrics: {
    http_path: 'metrics_http',
    // AnyCable prints this one, and reads the one above.
    http: 'metrics_http',
    host: 'metrics_host',
    port: 'metrics_port',
    tags: 'metrics_tags',
    log: 'metrics_log',
    rotate_interval: 'metrics_rotate_interval',
    log_filter: 'metrics_log_filter',
    'statsd.host': 'statsd_host',
  },
  rpc: {
    host: 'rpc_host',
    implementation: 'rpc_impl',
    concurrency: 'rpc_concurrency',
    request_timeout: 'rpc_request_timeout',
    command_timeout: 'rpc_command_timeout',
    secret: 'http_rpc_secret',
    enable_tls: 'rpc_enable_tls',
    tls_verify: 'rpc_tls_verify',
    tls_root_ca_path: 'rpc_tls_root_ca',
    http_request_timeout: 'http_rpc_timeout',
    max_recv_size: 'rpc_max_call_recv_size',
    max_send_size: 'rpc_max_call_send_size',
    proxy_headers: 'headers',
    proxy_cookies: 'proxy-cookies',
  },
  disconnector: { rate: 'disconnect_rate', backlog: 'disconnect_backlog_size' },
  redis: {
    url: 'redis_url',
    sentinels: 'redis_sentinels',
    sentinel_discovery_interval: 'redis_sentinel_discovery_interval',
    keepalive_ping_interval: 'redis_keepalive_interval',
    tls_verify: 'redis_tls_verify',
    tls_ca_cert_path: 'redis_tls_ca_cert_path',
    tls_client_cert_path: 'redis_tls_client_cert_path',
    tls_client_key_path: 'redis_tls_client_key_path',
    disable_cache: 'redis_disable_cache',
  },
  redis_pubsub_broadcast: { channel: 'redis_channel' },
  redis_stream_broadcast: {
    stream: 'redisx_stream',
    group: 'redisx_group',
    stream_read_block_milliseconds: 'redisx_read_block_milliseconds',
  },
  nats: { servers: 'nats_servers' },
  embedded_nats: { enabled: 'embed_nats' },
  pusher: { app_id: 'pusher_app_id', app_key: 'pusher_app_key' },
  ds: { enabled: 'ds' },
}

/** Key, with its table, and the name of its flag. */
export const FILE_KEYS: ReadonlyMap<string, string> = new Map(
  Object.entries(SECTIONS).flatMap(([table, keys]) =>
    Object.entries(keys).map(([key, flag]): [string, string] => [table === '' ? key : `${table}.${key}`, flag]),
  ),
)

/** Keys with a list of texts; elsewhere a list is one text, comma-separated. */
export const LISTS: ReadonlySet<string> = new Set(['broadcast_adapters', 'presets', 'ws.paths', 'metrics.log_filter'])
