/** Each flag of AnyCable 1.6 does here what docs/anycable.md says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ANYCABLE_FLAGS, variableOf } from './anycable-flags.ts'
import { anycableTable } from './anycable-table.ts'
import { help } from './help.ts'
import { type ConfigInvalid, readConfig, readValues } from './read.ts'
import { SETTINGS, type SettingName, type Values } from './settings.ts'

/** Of AnyCable 1.6.16, in the order of its source. */
const ANYCABLE = `
ignore-config-path config-path print-config host port allowed_origins secret broadcast_key public noauth max-conn path
health-path shutdown_timeout shutdown_pool_size shutdown_delay node_id ssl_cert ssl_key broadcast_adapter broker pubsub
redis_channel nats_channel hub_gopool_size history_limit history_ttl sessions_ttl presence_ttl redis_url redis_sentinels
redis_sentinel_discovery_interval redis_keepalive_interval redis_tls_verify redis_tls_ca_cert_path redis_tls_client_cert_path
redis_tls_client_key_path redis_disable_cache redisx_stream redisx_group redisx_read_block_milliseconds http_broadcast_port
http_broadcast_path http_broadcast_secret http_broadcast_cors nats_servers nats_dont_randomize_servers embed_nats enats_addr
enats_cluster enats_cluster_name enats_cluster_routes enats_gateway enats_gateways enats_gateway_advertise enats_store_dir
enats_server_name enats_debug enats_trace enats_max_payload rpc_host norpc rpc_concurrency rpc_enable_tls rpc_tls_verify
rpc_tls_root_ca rpc_max_call_recv_size rpc_max_call_send_size rpc_request_timeout rpc_command_timeout headers proxy-cookies
rpc_impl http_rpc_secret http_rpc_timeout disconnect_mode disconnect_rate disconnect_backlog_size disconnect_timeout
disable_disconnect log_level log_format debug metrics_log metrics_rotate_interval metrics_log_interval metrics_log_filter
metrics_log_formatter metrics_http metrics_host metrics_port metrics_tags stats_refresh_interval read_buffer_size
write_buffer_size max_message_size ws_write_timeout ws_max_pending_size enable_ws_compression ping_interval
ping_timestamp_precision pong_timeout enable_native_pings jwt_id_key jwt_secret jwt_id_param jwt_param jwt_id_enforce
enforce_jwt streams_secret public_streams streams_whisper streams_presence turbo_streams cable_ready turbo_rails_key
turbo_streams_secret turbo_rails_cleartext cable_ready_key cable_ready_secret cable_ready_cleartext pusher_app_id
pusher_secret pusher_app_key pusher_api_port statsd_host statsd_prefix statsd_max_packet_size statsd_tags_format sse sse_path
ds ds_path ds_skip_auth ds_poll_interval ds_sse_ttl api_port api_path api_secret presets
`
  .trim()
  .split(/\s+/)

const PAGE = readFileSync(new URL('../../docs/anycable.md', import.meta.url), 'utf8')
const ROWS = [...PAGE.matchAll(/^\| `--([\w-]+)` \| (works|no effect|refused) \| (.+) \|$/gm)].map(
  ([, name, how, why]) => ({ name: name!, how: how!, why: why! }),
)

/** A value that differs from the default, by the shape of the setting. */
const EXAMPLES: Record<string, string> = {
  BOOL: 'false',
  BYTES: '4097',
  FILE: '/srv/file.pem',
  FORMAT: 'json',
  HOST: '127.0.0.9',
  HOSTS: 'app.example.com',
  KEY: 'a-key',
  MODE: 'never',
  MS: '77',
  PEM: '/srv/file.pem',
  LEVEL: 'warn',
  N: '77',
  NAME: 'none',
  NAMES: 'broker',
  PATH: '/other',
  PATHS: '/other,/more',
  PORT: '4321',
  SECONDS: '7',
  SECRET: 'a-secret',
  TAGS: 'a:b',
  UNIT: 'ms',
  URL: 'rediss://redis.example.com',
}

/** Where the shape does not say which values there are. */
const OF_ITS_OWN: Readonly<Record<string, string>> = {
  broadcast_adapter: 'http, redisx',
  jwt_id_param: 'other',
  redis_tls_verify: 'false',
  rpc_tls_verify: 'false',
}

const isSetting = (name: string): name is SettingName => Object.hasOwn(SETTINGS, name)

test('the table has each flag of AnyCable once, and equals the output of npm run settings', () => {
  assert.deepEqual(ROWS.map(({ name }) => name).toSorted(), ANYCABLE.toSorted())
  assert.ok(PAGE.includes(anycableTable()))
})

for (const { name, how, why } of ROWS.filter(({ how }) => how === 'works')) {
  test(`--${name} works`, () => {
    if (!isSetting(name)) return assert.match(help(''), new RegExp(`--${name}`))
    const setting = SETTINGS[name]
    const newer = ('newer' in setting ? setting.newer : name) as keyof Values
    const value = setting.shape === '' ? 'true' : EXAMPLES[setting.shape]!
    const read = (argv: string[], env = {}) => readValues(argv, env)[newer]

    assert.ok(why.includes(setting.help), how)
    const text = OF_ITS_OWN[name] ?? value
    assert.notDeepEqual(read([`--${name}=${text}`]), SETTINGS[newer].fallback)
    assert.deepEqual(
      read([], { [variableOf(name)]: text }),
      read(setting.shape === '' ? [`--${name}=${text}`] : [`--${name}`, text]),
    )
  })
}

const isSwitch = (name: string): boolean => typeof ANYCABLE_FLAGS.get(name)?.usual === 'boolean'

/** The flag with a value, written in two ways. */
const written = (name: string): string[][] => [
  [`--${name}=canary`],
  isSwitch(name) ? [`--${name}`] : [`--${name}`, 'canary'],
]

/** As a cell of the table has it. */
const cell = (sentences: readonly string[]): string => `${sentences.join()}.`.toLowerCase()

const warned = (argv: string[], env = {}): string => cell(readConfig(['--noauth', ...argv], env).warnings)

for (const { name, why } of ROWS.filter(({ how }) => how === 'no effect')) {
  test(`--${name} has no effect, and the log says why`, () => {
    for (const argv of written(name)) assert.equal(warned(argv), `--${name} has no effect here: ${why}`.toLowerCase())
    const variable = variableOf(name)
    assert.equal(warned([], { [variable]: 'canary' }), `${variable} has no effect here: ${why}`.toLowerCase())
  })
}

for (const { name, why } of ROWS.filter(({ how }) => how === 'refused')) {
  test(`--${name} is refused, and the message says why`, () => {
    for (const argv of written(name))
      assert.throws(
        () => readConfig(['--noauth', ...argv], {}),
        ({ problems }: ConfigInvalid) => cell(problems) === `--${name} is refused: ${why}`.toLowerCase(),
      )
    assert.equal(warned([`--${name}=${isSwitch(name) ? 'false' : 'none'}`]), '.')
    const variable = variableOf(name)
    assert.equal(warned([], { [variable]: 'canary' }), `${variable} has no effect here: ${why}`.toLowerCase())
  })
}

test('an adapter for broadcasts, or a broker, that this cable does not have is refused by name', () => {
  const problem = (flag: string) => {
    try {
      readConfig(['--noauth', flag], {})
    } catch (error) {
      return (error as ConfigInvalid).problems.join()
    }
    return ''
  }

  assert.equal(problem('--broadcast_adapter=http,redis,redisx'), '')
  assert.equal(
    problem('--broadcast_adapter=http,nats'),
    '--broadcast_adapter has nats, which this cable does not have: set it to http',
  )
  assert.equal(
    problem('--broadcast_adapter=http,smoke'),
    '--broadcast_adapter must be one of http, redis, redisx, outbox',
  )
  assert.equal(problem('--broadcast_adapter=http'), '')
  assert.match(problem('--broker=nats'), /^--broker must be one of memory, redis, none$/)
})

test('--max-conn limits sessions if it is lower than --max_sessions', () => {
  const limit = (...argv: string[]) => readConfig(['--noauth', ...argv], {}).settings.max_sessions

  assert.deepEqual([limit(), limit('--max-conn=0')], [100_000, 100_000])
  assert.deepEqual([limit('--max-conn=5'), limit('--max-conn=5', '--max_sessions=4')], [5, 4])
  assert.equal(readConfig(['--noauth'], { ANYCABLE_MAX_CONN: '9' }).settings.max_sessions, 9)
})

test('a switch of AnyCable takes no value from the next argument', () => {
  assert.equal(readConfig(['--redis_tls_verify', '--noauth', '-enats_debug'], {}).noauth, true)
  assert.throws(() => readConfig(['--noauth', '--headers', '--noauth'], {}), {
    message: '--headers needs a value: --headers=NAMES',
  })
})
