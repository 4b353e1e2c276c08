/**
 * A cable and the Board in Rails that share other keys than those of `npm start`, behind web, which has the assets.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RAILS } from '../backends/toolchain.ts'
import { end, freePorts, healthy, start } from './stack.ts'

/** What the cable and Rails are told, by environment; and Rails alone. */
export interface Keys {
  both: Record<string, string>
  rails?: Record<string, string>
}

const SECRET_KEY_BASE = 'canary secret key base '.repeat(4)

/** The guide has one environment for both; a secret_key_base has another name in the cable than in Rails. */
export const KEYS: Record<string, Keys> = {
  'the keys of the guide': {
    both: {
      ANYCABLE_JWT_ID_KEY: 'canary-some-secret-key',
      ANYCABLE_TURBO_RAILS_KEY: 'canary-s3cЯeT',
      ANYCABLE_BROADCAST_ADAPTER: 'http',
    },
  },
  'secret_key_base alone': {
    both: { HOTCABLE_RAILS_SECRET_KEY_BASE: SECRET_KEY_BASE },
    rails: { SECRET_KEY_BASE },
  },
  'secret_key_base alone and the defaults of Rails 6.1': {
    both: { HOTCABLE_RAILS_SECRET_KEY_BASE: SECRET_KEY_BASE },
    rails: { SECRET_KEY_BASE, HOTCABLE_RAILS_DEFAULTS: '6.1' },
  },
}

export interface RailsStack {
  readonly origin: string
  close: () => Promise<void>
}

export async function startRails({ both, rails = {} }: Keys): Promise<RailsStack> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-rails-'))
  const [port, cablePort, railsPort, broadcastPort] = await freePorts(4)
  const origin = `http://localhost:${port}`
  const env = {
    ...process.env,
    ...both,
    ANYCABLE_HTTP_BROADCAST_PORT: String(broadcastPort),
    HOTCABLE_DB: join(folder, 'board.sqlite3'),
    HOTCABLE_CABLE_URL: `http://127.0.0.1:${cablePort}`,
    HOTCABLE_RAILS_URL: `http://127.0.0.1:${railsPort}`,
  }
  const board = RAILS.board('127.0.0.1', railsPort!)
  const children = [
    start(process.execPath, ['server/main.ts', '--dev', `--port=${cablePort}`, '--log_level=error'], env),
    start(board.command, board.args, {
      ...env,
      ...rails,
      ...board.env,
      ANYCABLE_HTTP_BROADCAST_URL: `http://127.0.0.1:${broadcastPort}/_broadcast`,
    }),
    start(process.execPath, ['--disable-warning=ExperimentalWarning', 'web/main.ts'], {
      ...env,
      HOST: '127.0.0.1',
      PORT: String(port),
    }),
  ]
  await Promise.all([env.HOTCABLE_CABLE_URL, env.HOTCABLE_RAILS_URL, origin].map(url => healthy(`${url}/health`)))
  return {
    origin,
    close: async () => {
      await Promise.all(children.map(child => end(child, 'SIGTERM')))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
