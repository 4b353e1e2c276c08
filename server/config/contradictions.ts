/**
 * Mistakes in a configuration: settings that contradict each other, and ports that are open by accident.
 *
 * Each is a row with a sentence that names the settings and the fix. Pure.
 */
import { readsPublicTokens } from './config.ts'
import { type Checked, type MistakeRow, said } from './rows.ts'
import { callsRpc, isHttp, rpcKind } from './rpc.ts'
import { SAME_PATHS } from './same-paths.ts'
import { isSecret, SETTINGS, type SettingName } from './settings.ts'
import { OLDER_PAIRS, usedOf } from './settle.ts'

/** Returns a sentence for each reason why the cable cannot start. */
export const contradictions = (checked: Checked): string[] => said(CONTRADICTIONS, checked)

/** Returns a sentence for each choice that an operator may have made by accident. */
export const warnings = (checked: Checked): string[] => said(WARNINGS, checked)

const readsNoTokens = ({ config, values }: Checked): boolean =>
  config.jwtSecrets.length === 0 && !readsPublicTokens(values)

const isCleartext = ({ config: { turbo, cableReady } }: Checked): boolean =>
  turbo?.cleartext === true || cableReady?.cleartext === true

/** Whether the operator has opened the clients' port: clients need no token there. */
const isOpen = ({ values, config }: Checked): boolean => values.public || (values.noauth && !config.enforceJwt)

const hasOpenBroadcasts = ({ config, values }: Checked): boolean =>
  config.broadcastKeys.length === 0 && values.broadcast_adapter.includes('http')
const hasOpenApi = ({ config }: Checked): boolean => config.api?.keys.length === 0

const readsRedis = ({ broker, broadcast_adapter }: Checked['values']): boolean =>
  broker === 'redis' || broadcast_adapter.some(name => name === 'redis' || name === 'redisx')

const isTls = ({ redis_url, redis_sentinels }: Checked['values']): boolean =>
  [redis_url, ...redis_sentinels].some(url => url.startsWith('rediss:'))

const NAMES = Object.keys(SETTINGS) as SettingName[]

/** `anycable-local-secret` is in each anycable.toml that AnyCable's generator for Rails writes. */
const DEVELOPMENT = /development|change-?me|^anycable-local-secret$/i

const CONTRADICTIONS: readonly MistakeRow[] = [
  {
    when: checked => isCleartext(checked) && readsNoTokens(checked),
    say: 'cleartext stream names need --jwt_secret: only tokens protect them',
  },
  {
    when: checked => checked.config.enforceJwt && !isCleartext(checked) && readsNoTokens(checked),
    say: '--enforce_jwt needs --jwt_secret or --secret',
  },
  {
    when: checked =>
      readsNoTokens(checked) && !checked.config.noauth && !checked.config.enforceJwt && !callsRpc(checked.values),
    say: 'no client can connect: set ANYCABLE_SECRET (or --jwt_secret), or set --noauth to accept clients without a token, or --rpc_host to ask an app',
  },
  {
    when: checked => checked.config.broadcastPort === 'main' && hasOpenBroadcasts(checked) && !isOpen(checked),
    say: "broadcasts need a key on the clients' port: set --broadcast_key (or --secret), or a --http_broadcast_port that is not --port",
  },
  {
    when: checked => checked.config.api?.port === 'main' && hasOpenApi(checked) && !isOpen(checked),
    say: "the REST API needs a key on the clients' port: set --api_secret (or --secret), or an --api_port that is not --port",
  },
  {
    when: ({ values }) => callsRpc(values) && isHttp(values.rpc_host) !== (rpcKind(values) === 'http'),
    say: '--rpc_impl and --rpc_host contradict each other: http needs http(s)://…, and grpc needs host:port, dns:/// or grpc-list://',
  },
  {
    when: ({ values }) => values.jwt_public_key !== '' && values.jwks_url !== '',
    say: '--jwt_public_key and --jwks_url are both set: choose one',
  },
  ...(['jwt_secret', 'jwt_id_key', 'jwt_previous_secrets'] as const).map(name => ({
    when: ({ given, values }: Checked) => given.has(name) && readsPublicTokens(values),
    say: `--${name} is a secret of tokens, but with --jwt_public_key or --jwks_url the cable reads no tokens that are signed with a secret: choose one`,
  })),
  ...(['jwt_issuer', 'jwt_audience', 'jwt_identity_claim'] as const).map(name => ({
    when: ({ given, values }: Checked) => given.has(name) && !readsPublicTokens(values),
    say: `--${name} needs --jwt_public_key or --jwks_url`,
  })),
  ...(['subscribe_streams', 'subscribe_purpose', 'subscribe_key'] as const).map(name => ({
    when: ({ given, values }: Checked) => given.has(name) && values.subscribe_url === '',
    say: `--${name} needs --subscribe_url: without it the cable asks no app`,
  })),
  {
    when: ({ config: { asked } }) => asked?.streams.length === 0 && asked.purpose === '',
    say: '--subscribe_url needs --subscribe_streams or --subscribe_purpose: the streams to ask for',
  },
  {
    when: ({ config: { authority } }) => authority?.key === '',
    say: '--subscribe_url needs --secret or --subscribe_key: the app must recognize the cable',
  },
  {
    when: ({ values }) => values.broadcast_adapter.includes('outbox') && values.outbox === '',
    say: '--broadcast_adapter has outbox, which needs --outbox: its database',
  },
  {
    when: ({ values }) => !values.broadcast_adapter.includes('outbox') && values.outbox !== '',
    say: '--outbox needs --broadcast_adapter=http,outbox',
  },
  {
    when: ({ values }) => values.workers !== 1 && values.dev,
    say: '--workers does not work with --dev, which shows and explains what one process does',
  },
  {
    when: ({ values }) => (values.redis_tls_client_cert_path === '') !== (values.redis_tls_client_key_path === ''),
    say: '--redis_tls_client_cert_path and --redis_tls_client_key_path need each other: set both',
  },
  {
    when: ({ values }) => (values.ssl_cert === '') !== (values.ssl_key === ''),
    say: '--ssl_cert and --ssl_key need each other: set both',
  },
  {
    when: ({ config: { turbo } }) => turbo?.secrets.length === 0 && !turbo.cleartext,
    say: '--turbo_streams needs --turbo_streams_secret, --streams_secret or --secret',
  },
  {
    when: ({ config: { cableReady } }) => cableReady?.secrets.length === 0 && !cableReady.cleartext,
    say: '--cable_ready needs --cable_ready_secret, --streams_secret or --secret',
  },
  ...SAME_PATHS,
  ...NAMES.filter(isSecret).map(name => ({
    when: ({ given, values }: Checked) =>
      !values.dev && [given.get(name)].flat().some(value => DEVELOPMENT.test(String(value))),
    say: `--${name} is a development secret: make your own, or set --dev`,
  })),
]

const WARNINGS: readonly MistakeRow[] = [
  {
    when: isCleartext,
    say: 'cleartext: the cable accepts unsigned stream names, so a client with a token may listen to any stream',
  },
  ...(
    [
      ['turbo_rails_cleartext', 'turbo_rails_key'],
      ['turbo_rails_cleartext', 'turbo_streams_secret'],
      ['turbo_rails_cleartext', 'rails_secret_key_base'],
      ['cable_ready_cleartext', 'cable_ready_key'],
      ['cable_ready_cleartext', 'cable_ready_secret'],
    ] as const
  ).map(([cleartext, secret]) => ({
    when: ({ given }: Checked) => Boolean(given.get(cleartext) && given.get(secret)),
    say: `${cleartext}: the cable does not use --${secret}`,
  })),
  {
    when: checked => checked.values.rails_secret_key_base !== '' && readsNoTokens(checked),
    say: 'rails_secret_key_base without --jwt_secret: clients need no token, only a signed name to listen',
  },
  {
    when: ({ values }) => values.jwks_url !== '' && values.jwt_audience.length === 0,
    say: 'jwks_url without --jwt_audience: the cable also accepts tokens that the provider issued for other apps',
  },
  {
    when: ({ values }) => {
      const { protocol, hostname = '' } = URL.parse(values.jwks_url) ?? {}
      return protocol === 'http:' && !isLoopback(hostname)
    },
    say: 'jwks_url is not https: a machine on the way could replace the keys, and then sign tokens',
  },
  ...(
    [
      ['metrics_port', 'metrics_http'],
      ['metrics_host', 'metrics_http'],
      ['metrics_tags', 'metrics_http'],
      ['metrics_log_filter', 'metrics_log'],
    ] as const
  ).map(([name, needed]) => ({
    // (AnyCable's files name the usual port, too.)
    when: ({ given, values }: Checked) => given.has(name) && !values[needed] && values[name] !== values.port,
    say: `${name} has no effect without --${needed}`,
  })),
  {
    when: ({ given, values }) =>
      given.has('redis_url') && values.redis_url !== SETTINGS.redis_url.fallback && !readsRedis(values),
    say: 'redis_url has no effect: for broadcasts from Redis set --broadcast_adapter=http,redis, which is the default of AnyCable',
  },
  ...(
    [
      'redis_sentinels',
      'redis_tls_ca_cert_path',
      'redis_tls_client_cert_path',
      'redis_tls_client_key_path',
      'redis_prefix',
    ] as const
  ).map(name => ({
    when: ({ given, values }: Checked) => given.has(name) && !readsRedis(values),
    say: `${name} has no effect: nothing is in Redis without --broker=redis, or --broadcast_adapter=http,redis`,
  })),
  ...(
    [
      ['redis_channel', 'redis'],
      ['redisx_stream', 'redisx'],
      ['redisx_group', 'redisx'],
    ] as const
  ).map(([name, adapter]) => ({
    when: ({ given, values }: Checked) => given.has(name) && !values.broadcast_adapter.includes(adapter),
    say: `${name} has no effect: it needs --broadcast_adapter=http,${adapter}`,
  })),
  {
    when: ({ values }) => readsRedis(values) && isTls(values) && !values.redis_tls_verify,
    say: 'redis_tls_verify is off: a machine on the way to Redis could read the password and all broadcasts',
  },
  { when: ({ values }) => values.public, say: 'public: every client may connect, listen and broadcast' },
  {
    when: checked => hasOpenBroadcasts(checked) && isReachable(checked),
    say: checked =>
      `broadcasts need no key on ${address(checked, checked.config.broadcastPort)}: set --broadcast_key (or --secret), or let only your backends reach that port`,
  },
  {
    when: checked => hasOpenApi(checked) && isReachable(checked),
    say: checked =>
      `the REST API needs no key on ${address(checked, checked.config.api!.port)}: set --api_secret (or --secret), or let only your backends reach that port`,
  },
  ...OLDER_PAIRS.map(pair => ({
    when: ({ given }: Checked) => given.has(pair.newer) && given.has(pair.older),
    say: ({ given }: Checked) =>
      `--${pair.newer} and its older name --${pair.older} are both set: the cable uses --${usedOf(pair, given)}`,
  })),
]

/** Whether other machines may reach the ports. A host name may resolve to any address. */
const isReachable = ({ config: { host } }: Checked): boolean => !isLoopback(host)

export const isLoopback = (host: string): boolean => /^(localhost|\[?::1\]?|127(\.\d+){3})$/.test(host)

const address = ({ config: { host }, values }: Checked, port: number | 'main'): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port === 'main' ? values.port : port}`
