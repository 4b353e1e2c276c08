/**
 * The flags of the cables. All scenarios with the same set of flags share one cable.
 */
import { SECRET } from './signing.ts'

/** Makes both cables alike: by default AnyCable keeps no history, and takes broadcasts from Redis as well. */
const COMMON = ['--norpc', '--broadcast_adapter=http', '--broker=memory', '--shutdown_timeout=2']
/** Broadcasts without a key come in on 8090, which another program may use here. */
const FREE_PORT = '--http_broadcast_port=free'
const ONE_SECRET = [...COMMON, `--secret=${SECRET}`]

/** Clients need tokens; the cable serves only what one secret switches on. */
export const CLOSED = ONE_SECRET
/** Every client may connect, and everything is served. */
export const OPEN = [...ONE_SECRET, '--noauth', '--turbo_streams', '--cable_ready', '--streams_whisper', '--sse']
/** Clients need tokens in spite of --noauth. */
export const ENFORCED = [...ONE_SECRET, '--noauth', '--enforce_jwt']
/** No key, no token, no signature. */
export const PUBLIC = [...COMMON, '--public', FREE_PORT]
/** There is no secret, so nothing can verify names. */
export const NO_SECRET = [...COMMON, '--noauth', '--broadcast_key=of-broadcasts']
/** The older names, as in AnyCable's guide. */
export const GUIDE = [
  ...COMMON,
  '--jwt_id_key=of-tokens',
  '--jwt_id_enforce',
  '--turbo_rails_key=of-turbo',
  '--broadcast_key=of-broadcasts',
]
/** Broadcasts on a separate port. */
export const OWN_PORT = [...ONE_SECRET, '--noauth', '--broadcast_key=none', FREE_PORT]
/** A separate secret for each purpose, and another parameter for tokens. */
export const KEYS = [
  ...ONE_SECRET,
  '--jwt_secret=of-tokens',
  '--jwt_param=token',
  '--streams_secret=of-streams',
  '--turbo_streams',
  '--turbo_streams_secret=of-turbo',
  '--cable_ready',
  '--cable_ready_secret=of-cable-ready',
  '--broadcast_key=of-broadcasts',
  '--api_secret=of-the-api',
]
export const ORIGINS = [...ONE_SECRET, '--noauth', '--sse', '--allowed_origins=app.test,*.example.io,other.test:3000']
export const PATHS = [...ONE_SECRET, '--noauth', '--path=/cable,/admin/cable']
/** The cable remembers little, for a short time. */
export const SMALL = [
  ...ONE_SECRET,
  '--noauth',
  '--turbo_streams',
  '--history_limit=3',
  '--presence_ttl=1',
  '--max_message_size=1000',
  '--ping_interval=1',
]
export const NO_BROKER = [...ONE_SECRET, '--noauth', '--turbo_streams', '--broker=none']
export const NO_RESUME = [...ONE_SECRET, '--noauth', '--sessions_ttl=0']
/** Small limits, so that few clients reach them. */
export const BOUNDED = [
  ...ONE_SECRET,
  '--noauth',
  '--max_lost_sessions_size=20000',
  '--presence_max_size=12000',
  '--max_presence_answer_size=5000',
]
/** Extended clients must answer pings. */
export const PONGS = [...ONE_SECRET, '--noauth', '--ping_interval=1', '--pong_timeout=2']
export const DEV = [...ONE_SECRET, '--turbo_streams', '--dev']
export const OPEN_DEV = [...ONE_SECRET, '--noauth', '--dev']
/** With this variable cables that call an app keep nothing, as AnyCable's do by default. */
export const { HOTCABLE_TEST_BROKER: BROKER = 'memory' } = process.env
/** Clients without a token, and the channels of an app, are asked for by RPC: over HTTP, or over gRPC. The suite fills in the host. */
export const rpc = (transport: 'http' | 'grpc', ...more: string[]) => [
  ...ONE_SECRET.filter(flag => flag !== '--norpc' && !flag.startsWith('--broker=')),
  `--broker=${BROKER}`,
  `--rpc_host=${transport}`,
  '--headers=cookie,origin,x-api-token',
  '--presence_ttl=1',
  '--turbo_streams',
  '--streams_whisper',
  ...more,
]
export const withoutBroker = (flags: readonly string[]) =>
  flags.map(flag => flag.replace(/^--broker=.*/, '--broker=none'))
