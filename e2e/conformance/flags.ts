/**
 * What the cables are started with. One cable per set serves all scenarios that name it.
 */
import { SECRET } from './signing.ts'

/** What both need to be alike: AnyCable's history is off unless asked for, and its broadcasts come from Redis as well. */
const COMMON = ['--norpc', '--broadcast_adapter=http', '--broker=memory', '--shutdown_timeout=2']
/** Broadcasts without a key come in on 8090, which may be taken here. */
const FREE_PORT = '--http_broadcast_port=free'
const ONE_SECRET = [...COMMON, `--secret=${SECRET}`]

/** Tokens are needed; only what one secret switches on. */
export const CLOSED = ONE_SECRET
/** Anybody may connect, and everything is served. */
export const OPEN = [...ONE_SECRET, '--noauth', '--turbo_streams', '--cable_ready', '--streams_whisper', '--sse']
/** Tokens are needed whatever --noauth says. */
export const ENFORCED = [...ONE_SECRET, '--noauth', '--enforce_jwt']
/** No key, no token, no signature. */
export const PUBLIC = [...COMMON, '--public', FREE_PORT]
/** Names are verified against nothing, as there is no secret. */
export const NO_SECRET = [...COMMON, '--noauth', '--broadcast_key=of-broadcasts']
/** As in the guide: the older names. */
export const GUIDE = [
  ...COMMON,
  '--jwt_id_key=of-tokens',
  '--jwt_id_enforce',
  '--turbo_rails_key=of-turbo',
  '--broadcast_key=of-broadcasts',
]
/** Broadcasts on a separate port. */
export const OWN_PORT = [...ONE_SECRET, '--noauth', '--broadcast_key=none', FREE_PORT]
/** A secret for each purpose, and another parameter for tokens. */
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
/** Little is remembered, for a short time. */
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
/** Extended clients have to answer. */
export const PONGS = [...ONE_SECRET, '--noauth', '--ping_interval=1', '--pong_timeout=2']
export const DEV = [...ONE_SECRET, '--turbo_streams', '--dev']
export const OPEN_DEV = [...ONE_SECRET, '--noauth', '--dev']
