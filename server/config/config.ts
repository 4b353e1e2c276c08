/**
 * The configuration of a cable, resolved from its settings. Pure.
 */
import type { PublicTokens } from '../auth/jwks.ts'
import { deriveKey, type Purpose, railsTurboKeys, type Secret } from '../auth/keys.ts'
import type { RedisServer } from '../brokers/redis-client.ts'
import type { ChannelSettings, Signed } from '../channels/channels.ts'
import type { Tls } from '../http/listener.ts'
import type { AuthoritySettings } from '../rpc/load-authority.ts'
import type { AppSettings as RpcSettings } from '../session/app.ts'
import type { Values } from './settings.ts'

/** The configuration of a cable, with fallbacks resolved. */
export interface Config extends ChannelSettings {
  readonly settings: Settings
  readonly host: string
  /** The present one first. Empty: the cable reads no tokens that are signed with a secret. */
  readonly jwtSecrets: readonly string[]
  /** `undefined`: the cable reads no tokens that are signed with a private key. */
  readonly publicTokens: PublicTokens | undefined
  readonly jwtParam: string
  readonly enforceJwt: boolean
  readonly noauth: boolean
  /** Empty: broadcasts need no key. */
  readonly broadcastKeys: readonly string[]
  /** The app that permits subscriptions to the streams in `asked`. */
  readonly authority: AuthoritySettings | undefined
  /** `main`: the clients' port. */
  readonly broadcastPort: number | 'main'
  /** `undefined`: the API is off. */
  readonly api: { readonly keys: readonly string[]; readonly port: number | 'main' } | undefined
  /** `main`: the clients' port. */
  readonly metricsPort: number | 'main'
  /** `undefined`: the host of all other ports. */
  readonly metricsHost: string | undefined
  /** `undefined`: plain HTTP. */
  readonly tls: Tls | undefined
  /** `undefined`: the cable calls no RPC server. */
  readonly rpc: RpcSettings | undefined
  /** Where Redis is, for the ways in and the broker that use it. */
  readonly redis: RedisServer
  /** The presets in force. */
  readonly presets: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Settings that we resolve: we apply their fallbacks, and the settings that override them, and put the result in another
 * field of the Config. Code outside of config/ must not read them raw.
 */
const RESOLVED = [
  ...['host', 'ssl_cert', 'ssl_key', 'presets', 'max-conn'],
  ...['secret', 'jwt_secret', 'jwt_previous_secrets', 'jwt_param', 'enforce_jwt', 'noauth', 'public'],
  ...['jwt_public_key', 'jwks_url', 'jwt_issuer', 'jwt_audience', 'jwt_identity_claim'],
  ...['streams_secret', 'streams_previous_secrets', 'streams_purpose', 'public_streams'],
  ...['streams_whisper', 'streams_presence'],
  ...['subscribe_url', 'subscribe_streams', 'subscribe_purpose', 'subscribe_key'],
  ...['turbo_streams', 'turbo_streams_secret', 'turbo_rails_cleartext', 'rails_secret_key_base'],
  ...['cable_ready', 'cable_ready_secret', 'cable_ready_cleartext'],
  ...['broadcast_key', 'broadcast_previous_keys', 'http_broadcast_port'],
  ...['metrics_port', 'metrics_host'],
  ...['api_port', 'api_secret', 'api_previous_secrets'],
  ...['redis_url', 'redis_sentinels', 'redis_tls_verify'],
  ...['redis_tls_ca_cert_path', 'redis_tls_client_cert_path', 'redis_tls_client_key_path'],
  ...['rpc_host', 'norpc', 'rpc_impl', 'rpc_concurrency', 'max_rpc_waiting', 'rpc_request_timeout'],
  ...['rpc_command_timeout', 'http_rpc_secret', 'rpc_enable_tls', 'rpc_tls_verify', 'rpc_tls_root_ca'],
  ...['rpc_max_call_recv_size', 'rpc_max_call_send_size', 'headers', 'proxy-cookies'],
  ...['disconnect_mode', 'disconnect_rate', 'disable_disconnect'],
  'debug',
] as const satisfies (keyof Values)[]

/** The settings that we do not resolve, by name. */
export type Settings = Readonly<Omit<Values, (typeof RESOLVED)[number]>>

/** The part of a configuration that depends on the settings only. */
export type Resolved = Omit<Config, 'tls' | 'redis' | 'rpc' | 'publicTokens' | 'presets' | 'warnings'>

/** Resolves fallbacks. */
export function resolve(values: Values): Resolved {
  const { secret, rails_secret_key_base: secretKeyBase, streams_previous_secrets: formerSecrets } = values
  const jwtSecret = readsPublicTokens(values) ? '' : values.jwt_secret || secret
  const streamsSecret = values.streams_secret || secret
  const broadcastKey = keyOf(values.broadcast_key, secret, 'broadcast')
  const apiKey = keyOf(values.api_secret, secret, 'api')
  // A derived key alone does not open this channel to names that a backend signed with the secret of another channel.
  const signed = ({ isServed, own, derived, cleartext }: Channel): Signed | undefined =>
    isServed || derived.length > 0
      ? { secrets: [...rotation(own || (isServed ? streamsSecret : ''), formerSecrets), ...derived], cleartext }
      : undefined
  return {
    settings: withoutResolved({
      ...values,
      max_sessions: Math.min(values.max_sessions, values['max-conn'] || Infinity),
    }),
    host: addressOf(values.host),
    jwtSecrets: rotation(jwtSecret, values.jwt_previous_secrets),
    jwtParam: values.jwt_param,
    enforceJwt: values.enforce_jwt,
    // As in Rails: admit a client without a token, for the streams that its page has signed names for.
    noauth: values.noauth || (secretKeyBase !== '' && jwtSecret === '' && !readsPublicTokens(values)),
    streamsSecrets: rotation(streamsSecret, formerSecrets),
    streamsPurpose: values.streams_purpose,
    publicStreams: values.public_streams,
    whisper: values.streams_whisper,
    presence: values.streams_presence,
    turbo: signed({
      isServed: values.turbo_streams,
      own: values.turbo_streams_secret,
      derived: secretKeyBase === '' ? [] : railsTurboKeys(secretKeyBase),
      cleartext: values.turbo_rails_cleartext,
    }),
    cableReady: signed({
      isServed: values.cable_ready,
      own: values.cable_ready_secret,
      derived: [],
      cleartext: values.cable_ready_cleartext,
    }),
    ...permission(values),
    broadcastKeys: rotation(broadcastKey, values.broadcast_previous_keys),
    broadcastPort: broadcastPort(values, broadcastKey),
    api: api(values, apiKey),
    ...metrics(values),
  }
}

/** As Go reads it; for Node it would be 127.0.0.1 or ::1, as the resolver orders them. */
const addressOf = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host)

function metrics(values: Values): Pick<Config, 'metricsPort' | 'metricsHost'> {
  const port = values.metrics_port < 0 ? values.port : values.metrics_port
  const host = addressOf(values.metrics_host)
  if (host !== '' && host !== addressOf(values.host)) return { metricsPort: port, metricsHost: host }
  return { metricsPort: values.metrics_port < 0 ? 'main' : mainOrOther(values, port), metricsHost: undefined }
}

/** Whether the cable reads tokens that are signed with a private key. Then it reads no others. */
export const readsPublicTokens = ({ jwt_public_key, jwks_url }: Values): boolean =>
  jwt_public_key !== '' || jwks_url !== ''

interface Channel {
  isServed: boolean
  own: string
  derived: readonly Secret[]
  cleartext: boolean
}

function withoutResolved(values: Values): Settings {
  const resolved: readonly string[] = RESOLVED
  return Object.fromEntries(Object.entries(values).filter(([name]) => !resolved.includes(name))) as Settings
}

/** A key that was not given derives from the secret. `none` means no key. */
export const keyOf = (given: string, secret: string, purpose: Purpose): string =>
  given === 'none' ? '' : given || (secret === '' ? '' : deriveKey(secret, purpose))

/** Where the cable asks for permission to subscribe, and for which streams. */
function permission(values: Values): Pick<Config, 'asked' | 'authority'> {
  const { subscribe_url: url, subscribe_streams: streams, subscribe_purpose: purpose } = values
  if (url === '') return { asked: undefined, authority: undefined }
  const key = keyOf(values.subscribe_key, values.secret, 'subscribe')
  const request = {
    headers: values.headers,
    cookies: values['proxy-cookies'],
    isSecure: values.ssl_cert !== '',
    proxies: values.trusted_proxies,
  }
  return { asked: { streams, purpose }, authority: { url, key, ...request } }
}

/** Without a present secret, former secrets open nothing. */
const rotation = (present: string, former: readonly string[]): readonly string[] =>
  present === '' ? [] : [present, ...former]

/** Without a key, broadcasts use another port than clients, unless the operator names one. */
function broadcastPort(values: Values, key: string): number | 'main' {
  const { http_broadcast_port: explicit } = values
  if (explicit < 0 && key !== '') return 'main'
  return mainOrOther(values, explicit < 0 ? 8090 : explicit)
}

/** Returns `main` for the clients' port. For 0 the system chooses another port each time. */
const mainOrOther = ({ port }: Values, other: number): number | 'main' =>
  other === port && port !== 0 ? 'main' : other

/** The REST API is on if it has a key or a port. */
function api(values: Values, key: string): Config['api'] {
  const { api_port: explicit, api_previous_secrets: former } = values
  if (key === '' && explicit < 0) return undefined
  return { keys: rotation(key, former), port: explicit < 0 ? 'main' : mainOrOther(values, explicit) }
}
