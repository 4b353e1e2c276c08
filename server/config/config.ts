/**
 * Configuration: settings, with older names and fallbacks resolved. Pure.
 */
import { deriveKey, railsTurboKeys, type Secret } from '../auth/keys.ts'
import type { Tls } from '../http/listener.ts'
import type { Values } from './settings.ts'

interface Signed {
  readonly secrets: readonly Secret[]
  readonly cleartext: boolean
}

/** What the cable runs on: settings, with older names and fallbacks resolved. */
export interface Config {
  readonly settings: Readonly<Values>
  readonly host: string
  /** The present one first. Empty: the cable reads no tokens. */
  readonly jwtSecrets: readonly string[]
  readonly jwtParam: string
  readonly enforceJwt: boolean
  readonly noauth: boolean
  readonly streamsSecrets: readonly string[]
  readonly streamsPurpose: string
  readonly publicStreams: boolean
  readonly whisper: boolean
  readonly presence: boolean
  readonly turbo: Signed | undefined
  readonly cableReady: Signed | undefined
  /** None: broadcasts need no key. */
  readonly broadcastKeys: readonly string[]
  /** `main`: the clients' port. */
  readonly broadcastPort: number | 'main'
  /** `undefined`: none. */
  readonly api: { readonly keys: readonly string[]; readonly port: number | 'main' } | undefined
  /** `undefined`: plain HTTP. */
  readonly tls: Tls | undefined
  readonly warnings: readonly string[]
}

/** The part of a configuration that depends on the settings only. */
export type Resolved = Omit<Config, 'tls' | 'warnings'>

/** Resolves older names and fallbacks. */
export function resolve(settings: Values): Resolved {
  const { secret, rails_secret_key_base: secretKeyBase } = settings
  const key = settings.http_broadcast_secret || settings.broadcast_key
  const broadcastKey =
    settings.public || key === 'none' ? '' : key || (secret === '' ? '' : deriveKey(secret, 'broadcast-cable'))
  const jwtSecret = settings.jwt_secret || settings.jwt_id_key || secret
  const streamsSecret = settings.streams_secret || secret
  const signed = (
    on: boolean,
    secret: string,
    older: string,
    cleartext: boolean,
    derived: readonly Secret[] = [],
  ): Signed | undefined => {
    const isServed = on || older !== '' || cleartext
    if (!isServed && derived.length === 0) return undefined
    // Derived keys do not open the channel to names that were signed with the secret of another.
    const present = secret || older || (isServed ? streamsSecret : '')
    return { secrets: [...rotation(present, settings.streams_previous_secrets), ...derived], cleartext }
  }
  return {
    settings,
    // As Go does; Node would take whichever of 127.0.0.1 and ::1 the resolver names first.
    host: settings.host === 'localhost' ? '127.0.0.1' : settings.host,
    jwtSecrets: rotation(jwtSecret, settings.jwt_previous_secrets),
    jwtParam: settings.jwt_id_param || settings.jwt_param,
    enforceJwt:
      settings.enforce_jwt ||
      settings.jwt_id_enforce ||
      settings.turbo_rails_cleartext ||
      settings.cable_ready_cleartext,
    // As Rails itself: whoever comes is let in, and gets what a page was given a signed name for.
    noauth: settings.noauth || settings.public || (secretKeyBase !== '' && jwtSecret === ''),
    streamsSecrets: rotation(streamsSecret, settings.streams_previous_secrets),
    streamsPurpose: settings.streams_purpose,
    publicStreams: settings.public_streams || settings.public,
    whisper: settings.streams_whisper,
    presence: settings.streams_presence,
    turbo: signed(
      settings.turbo_streams,
      settings.turbo_streams_secret,
      settings.turbo_rails_key,
      settings.turbo_rails_cleartext,
      secretKeyBase === '' ? [] : railsTurboKeys(secretKeyBase),
    ),
    cableReady: signed(
      settings.cable_ready,
      settings.cable_ready_secret,
      settings.cable_ready_key,
      settings.cable_ready_cleartext,
    ),
    broadcastKeys: rotation(broadcastKey, settings.broadcast_previous_keys),
    broadcastPort: broadcastPort(settings, broadcastKey),
    api: api(settings),
  }
}

/** Without a present secret former ones open nothing. */
const rotation = (present: string, former: readonly string[]): readonly string[] =>
  present === '' ? [] : [present, ...former]

/** Without a key, broadcasts use another port than clients, unless the operator names one. */
function broadcastPort(settings: Values, key: string): number | 'main' {
  const { http_broadcast_port: explicit } = settings
  if (explicit < 0 && key !== '') return 'main'
  return mainOrOther(settings, explicit < 0 ? 8090 : explicit)
}

/** Returns `main` for the clients' port. For 0 the system chooses another port each time. */
const mainOrOther = ({ port }: Values, other: number): number | 'main' =>
  other === port && port !== 0 ? 'main' : other

/** The REST API is on if it has a key or a port. */
function api(settings: Values): Config['api'] {
  const { secret, api_secret, api_previous_secrets, api_port } = settings
  const key = api_secret === 'none' ? '' : api_secret || (secret === '' ? '' : deriveKey(secret, 'api-cable'))
  if (key === '' && api_port < 0) return undefined
  return {
    keys: rotation(key, api_previous_secrets),
    port: api_port < 0 ? 'main' : mainOrOther(settings, api_port),
  }
}
