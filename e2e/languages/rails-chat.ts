/** The chat in Rails (backends/rails/chat.rb), which a cable calls over HTTP or over gRPC, and its clients. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { freePorts } from '../../start/network.ts'
import { withoutSettings } from '../../testing/cable.ts'
import { end, endsWithUs, healthy } from '../../testing/child.ts'
import { type Client, type ConnectOptions, connect } from '../../testing/client.ts'
import type { Transport } from '../../testing/rpc-app.ts'

type Scope = { after: (clean: () => unknown) => void }

export const SECRET = 'canary-chat'

/** Why there is no chat over this transport here; false if there is one. */
export const missingFor = (transport: Transport): string | false => {
  const has = (gem: string) => globSync(`tmp/gems/gems/${gem}-*`).length > 0
  if (!has('anycable-rails-core') || !existsSync('/usr/bin/ruby'))
    return 'the gems of Rails are not here: npm run setup'
  return transport === 'grpc' && !has('grpc') ? 'the gem grpc is not here: npm run setup' : false
}

export interface Chat {
  readonly pid: number
  readonly url: string
  /** For --rpc_host. */
  readonly rpcHost: string
  /** Logs in; resolves with the cookie. */
  login: (user: string) => Promise<string>
  /** Says it by a request of a page with this socket id. */
  say: (room: string, words: string, socketId: string) => Promise<void>
  /** Ends it, and resolves with what it logged. */
  stop: () => Promise<string>
}

/** `broadcastUrl`: where it POSTs broadcasts. `cable`: where its pages connect. The ports are free ones by default. */
export async function startChat(
  t: Scope,
  transport: Transport,
  { broadcastUrl, cable, port, rpcPort }: { broadcastUrl: string; cable?: string; port?: number; rpcPort?: number },
): Promise<Chat> {
  const [free, freeRpc] = await freePorts(2)
  const [own, rpc] = [port ?? free!, rpcPort ?? freeRpc!]
  const url = `http://127.0.0.1:${own}`
  const env = {
    ...withoutSettings('ANYCABLE_', 'HOTCABLE_'),
    HOST: '127.0.0.1',
    PORT: String(own),
    ANYCABLE_SECRET: SECRET,
    SECRET_KEY_BASE: 'canary chat '.repeat(8),
    ANYCABLE_HTTP_BROADCAST_URL: broadcastUrl,
    ...(cable === undefined ? {} : { ANYCABLE_WEBSOCKET_URL: cable }),
    ...(transport === 'grpc' ? { ANYCABLE_RPC_HOST: `127.0.0.1:${rpc}` } : {}),
  }
  const child = endsWithUs(spawn('ruby', ['backends/rails/chat.rb'], { env, stdio: ['ignore', 'ignore', 'pipe'] }))
  const log = text(child.stderr)
  t.after(() => end(child))
  await healthy(`${url}/health`, child)
  return {
    pid: child.pid!,
    url,
    rpcHost: transport === 'http' ? `${url}/_anycable` : `127.0.0.1:${rpc}`,
    async login(user) {
      const body = new URLSearchParams({ user })
      const answer = await fetch(`${url}/login`, { method: 'POST', body, redirect: 'manual' })
      assert.equal(answer.status, 303)
      return answer.headers.getSetCookie()[0]!.split(';')[0]!
    },
    async say(room, words, socketId) {
      const body = new URLSearchParams({ room, text: words })
      const answer = await fetch(`${url}/say`, { method: 'POST', headers: { 'x-socket-id': socketId }, body })
      assert.equal(answer.status, 204)
    },
    async stop() {
      await end(child)
      return await log
    },
  }
}

export const chatIdentifier = (room: string) => JSON.stringify({ channel: 'ChatChannel', room })
export const NEWS = JSON.stringify({ channel: 'NewsChannel' })

/** A client of this user, which has its welcome. */
export async function enter(
  t: Scope,
  cable: string,
  chat: Chat,
  user: string,
  more: ConnectOptions = {},
): Promise<Client> {
  const { headers = {}, ...options } = more
  const client = await connect(t, cable, {
    headers: { cookie: await chat.login(user), origin: chat.url, ...headers },
    ...options,
  })
  await client.welcomed()
  return client
}

/** Performs an action of the chat's channel. */
export const perform = (client: Client, identifier: string, action: string, data: object = {}) =>
  client.command('message', identifier, { data: JSON.stringify({ action, ...data }) })
