/**
 * The flags of AnyCable 1.6 that are not settings of this cable, and why.
 *
 *   refused     the start fails: the operator counts on a feature that is not here
 *   no effect   accepted, and the log says so: it tunes a part that this cable does not have
 *
 * A variable, or an entry of anycable.toml, never stops the start: it may be there for AnyCable's library in the app. Pure.
 */

interface Group {
  readonly how: 'refused' | 'no effect'
  readonly why: string
  /** Name and AnyCable's default, as text; a boolean marks a switch. */
  readonly flags: Readonly<Record<string, string | boolean>>
}

const NO_NATS = 'this cable has no NATS: backends broadcast by HTTP, and it runs as one process'

const GROUPS: readonly Group[] = [
  {
    how: 'refused',
    why: 'this cable runs as one process, so it passes broadcasts to no other',
    flags: { pubsub: '' },
  },
  {
    how: 'no effect',
    why: 'the cable asks the Sentinels whenever it connects, pings Redis every second, and caches nothing of it',
    flags: {
      redis_sentinel_discovery_interval: '30',
      redis_keepalive_interval: '30',
      redis_disable_cache: false,
    },
  },
  {
    how: 'refused',
    why: NO_NATS,
    flags: { nats_servers: 'nats://127.0.0.1:4222', embed_nats: false },
  },
  {
    how: 'no effect',
    why: NO_NATS,
    flags: {
      nats_channel: '__anycable__',
      nats_dont_randomize_servers: false,
      enats_addr: 'nats://127.0.0.1:4222',
      enats_cluster: '',
      enats_cluster_name: 'anycable-cluster',
      enats_cluster_routes: '',
      enats_gateway: '',
      enats_gateways: '',
      enats_gateway_advertise: '',
      enats_store_dir: '',
      enats_server_name: '',
      enats_debug: false,
      enats_trace: false,
      enats_max_payload: '0',
    },
  },
  {
    how: 'no effect',
    why: 'the queue of clients that have gone is as long as it has to be, and a shutdown empties it within --shutdown_timeout',
    flags: { disconnect_backlog_size: '4096', disconnect_timeout: '5' },
  },
  {
    how: 'refused',
    why: 'this cable does not speak the protocol of Pusher',
    flags: { pusher_app_id: '', pusher_app_key: '' },
  },
  {
    how: 'no effect',
    why: 'this cable does not speak the protocol of Pusher',
    flags: { pusher_secret: '', pusher_api_port: '0' },
  },
  {
    how: 'refused',
    why: 'this cable does not serve Durable Streams: --sse serves events, and a client that comes back gets what it missed',
    flags: { ds: false },
  },
  {
    how: 'no effect',
    why: 'this cable does not serve Durable Streams',
    flags: { ds_path: '/ds', ds_skip_auth: false, ds_poll_interval: '10', ds_sse_ttl: '60' },
  },
  {
    how: 'refused',
    why: 'this cable sends nothing to StatsD: let Prometheus read --metrics_http, or set --metrics_log',
    flags: {
      statsd_host: '',
      statsd_prefix: 'anycable_go.',
      statsd_max_packet_size: '1400',
      statsd_tags_format: 'datadog',
    },
  },
  {
    how: 'refused',
    why: 'this cable runs no Ruby: --metrics_log has a fixed format, and --log_format=json is for programs',
    flags: { metrics_log_formatter: '' },
  },
  {
    how: 'refused',
    why: 'a web page must not broadcast: its visitors would read the key',
    flags: { http_broadcast_cors: false },
  },
  {
    how: 'no effect',
    why: 'this cable works on one event loop, without pools or buffers of a fixed size',
    flags: {
      shutdown_pool_size: '16',
      hub_gopool_size: '16',
      read_buffer_size: '1024',
      write_buffer_size: '1024',
    },
  },
  {
    how: 'no effect',
    why: 'the cable cuts a client that does not read at --ws_max_pending_size, and one that vanished within 16 s',
    flags: { ws_write_timeout: '2' },
  },
  {
    how: 'no effect',
    why: 'the cable does not compress messages: clients connect without it',
    flags: { enable_ws_compression: false },
  },
  {
    how: 'no effect',
    why: 'the numbers are read whenever Prometheus asks, or the log is written',
    flags: { stats_refresh_interval: '5' },
  },
  {
    how: 'no effect',
    why: 'no line of the log names the node: --metrics_tags labels metrics',
    flags: { node_id: '' },
  },
]

export interface AnycableFlag {
  readonly how: Group['how']
  readonly why: string
  readonly usual: string | boolean
}

/** By name. */
export const ANYCABLE_FLAGS: ReadonlyMap<string, AnycableFlag> = new Map(
  GROUPS.flatMap(({ flags, how, why }) =>
    Object.entries(flags).map(([name, usual]): [string, AnycableFlag] => [name, { how, why, usual }]),
  ),
)

export interface Judged {
  readonly problems: string[]
  readonly warnings: string[]
}

/** Judges a flag that the operator gave. A refused feature may be switched off. */
export function judgeFlag(name: string, value: string, { problems, warnings }: Judged): void {
  const { how, why, usual } = ANYCABLE_FLAGS.get(name)!
  const isOff = value === 'none' || (usual === false && isFalse(value))
  if (how === 'no effect') warnings.push(`--${name} has no effect here: ${why}`)
  else if (!isOff) problems.push(`--${name} is refused: ${why}`)
}

/** Whether AnyCable would do the same without the value: its default, or `none`. */
export function isUsual(name: string, value: string): boolean {
  const { usual } = ANYCABLE_FLAGS.get(name)!
  return typeof usual === 'boolean' ? isFalse(value) !== usual : value === usual || value === 'none'
}

const isFalse = (value: string): boolean => /^(false|0|f)$/i.test(value)

/** The variable of a flag. */
export const variableOf = (name: string): string => `ANYCABLE_${name.toUpperCase().replaceAll('-', '_')}`

/** By their variables. */
export const ANYCABLE_VARIABLES: ReadonlyMap<string, string> = new Map([
  ...[...ANYCABLE_FLAGS].map(([name, { why }]): [string, string] => [variableOf(name), why]),
  ...['ANYCABLE_DISABLE_TELEMETRY', 'ANYCABLE_TELEMETRY_URL', 'ANYCABLE_TELEMETRY_DEBUG'].map(
    (name): [string, string] => [name, 'this cable sends no telemetry'],
  ),
  ['ANYCABLE_FLY_RPC_APP_NAME', 'set --rpc_host=dns:///REGION.APP.internal:50051'],
  ['ANYCABLE_MEMORY_METRICS', 'mem_sys_bytes is always among the metrics'],
])
