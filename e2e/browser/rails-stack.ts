/**
 * A cable and the Board in Rails that share other keys than those of `npm start`, behind web, which has the assets.
 *
 *   page ──▶ web ──▶ rails ──▶ cable: ours, or in the swap test AnyCable, with the same environment
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BOARDS } from '../../backends/harness/languages.ts'
import { freePorts } from '../../start/network.ts'
import { startCable } from '../../testing/cable.ts'
import { end, healthy } from '../../testing/child.ts'
import { findAnycable, startAnycable } from '../conformance/servers.ts'
import { onAnycable } from './demo.ts'
import { start } from './stack.ts'

/** The environment of the cable and of Rails, and of Rails alone. */
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
  const [port, railsPort, broadcastPort] = await freePorts(3)
  const origin = `http://localhost:${port}`
  const shared = { ...both, ANYCABLE_HTTP_BROADCAST_PORT: String(broadcastPort) }
  const cable = onAnycable ? await theirs(shared) : await ours(shared)
  const env = {
    ...process.env,
    ...shared,
    ANYCABLE_HTTP_BROADCAST_URL: `http://127.0.0.1:${broadcastPort}/_broadcast`,
    HOTCABLE_DB: join(folder, 'board.sqlite3'),
    HOTCABLE_CABLE_URL: cable.url,
    HOTCABLE_BOARD_RAILS_URL: `http://127.0.0.1:${railsPort}`,
  }
  const board = BOARDS.rails.board('127.0.0.1', railsPort!)
  const children: ChildProcess[] = [
    start(board.command, board.args, { ...env, ...rails, ...board.env }),
    start(process.execPath, ['--disable-warning=ExperimentalWarning', 'web/main.ts'], {
      ...env,
      HOST: '127.0.0.1',
      PORT: String(port),
    }),
  ]
  await Promise.all([env.HOTCABLE_BOARD_RAILS_URL, origin].map(url => healthy(`${url}/health`)))
  return {
    origin,
    close: async () => {
      await Promise.all([cable.stop(), ...children.map(child => end(child))])
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

type StackCable = { url: string; stop: () => Promise<unknown> }

async function ours(settings: Record<string, string>): Promise<StackCable> {
  const { url, stop } = await startCable(['--dev'], { settings })
  return { url: new URL(url).origin.replace('ws', 'http'), stop: () => stop() }
}

async function theirs(settings: Record<string, string>): Promise<StackCable> {
  const { http, stop } = await startAnycable(findAnycable()!)(['--shutdown_timeout=1'], settings)
  return { url: http, stop }
}
