/**
 * Connections to Redis or Valkey. The only file that imports `@redis/client`, and it does so at the first connection.
 *
 *   redis://[[user]:password@]host[:port][/database]      rediss:// for TLS
 *
 * With Sentinels the host is the name of the master; each connection asks them where that master is.
 *
 * A connection never connects again by itself: at the same address another Redis may answer, with other data, and the users
 * of a connection must notice. Without a connection a command fails at once, instead of waiting in a queue.
 */
import type { createClient } from '@redis/client'

export interface RedisServer {
  readonly url: string
  /** URLs. Empty: the host of `url` is a machine. */
  readonly sentinels: readonly string[]
  /** For each rediss:// URL. */
  readonly tls: RedisTls
}

/** PEM. */
export interface RedisTls {
  /** Certificates that we trust; `undefined`: those that Node trusts. */
  readonly ca?: string | undefined
  /** Our own certificate and its key. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** Whether the certificate of the server must be valid. */
  readonly rejectUnauthorized: boolean
}

export type RedisClient = ReturnType<typeof createClient>

export interface RedisConnection {
  readonly client: RedisClient
  /** Sends a command; texts in its answer are Buffers. */
  bytes: (command: readonly string[]) => Promise<unknown>
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<RedisAway>
  /** Ends the connection; commands without an answer reject. */
  end: (why?: string) => void
}

/** Redis does not answer. The message says which server and why, and holds no password. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway'
}

/** How long a connection may take, with TLS and the password. */
const CONNECT_MS = 5_000
const PING_MS = 1_000
/** Pings in a row without an answer after which a connection counts as dead. */
const MOST_UNANSWERED = 6

/** `name` is for CLIENT LIST. Rejects with {@link RedisAway}. */
export async function connectRedis(server: RedisServer, name: string): Promise<RedisConnection> {
  if (server.sentinels.length === 0) return await connect(server.url, server.tls, name)
  const connection = await connect(await findMaster(server, name), server.tls, name)
  // A Sentinel may not know yet that its master has become a replica.
  const role = await connection.client.sendCommand<unknown[]>(['ROLE']).catch((error: Error) => [error.message])
  if (String(role[0]) === 'master') return connection
  connection.end()
  throw new RedisAway(`the Sentinels name a master that is not one: ${role[0]}`)
}

/** Returns the URL of the master that the first Sentinel to answer names. */
async function findMaster({ url, sentinels, tls }: RedisServer, name: string): Promise<string> {
  const master = new URL(url)
  const reasons: string[] = []
  for (const sentinel of sentinels) {
    try {
      const { client, end } = await connect(sentinel, tls, name)
      const found = await client
        .sendCommand<[string, string] | null>(['SENTINEL', 'get-master-addr-by-name', master.hostname])
        .finally(end)
      if (found !== null) return withAddress(master, ...found)
      reasons.push(`${hostOf(sentinel)} does not know the master ${master.hostname}`)
    } catch (error) {
      reasons.push(reasonOf(error))
    }
  }
  throw new RedisAway(`no Sentinel names the master: ${reasons.join('; ')}`)
}

function withAddress({ protocol, username, password, pathname }: URL, host: string, port: string): string {
  const user = username || password ? `${username}:${password}@` : ''
  return `${protocol}//${user}${host.includes(':') ? `[${host}]` : host}:${port}${pathname}`
}

async function connect(url: string, tls: RedisTls, name: string): Promise<RedisConnection> {
  // (In a bundle a module in CommonJS has only its default.)
  const { createClient, RESP_TYPES } = (await import('@redis/client')).default
  const socket = { connectTimeout: CONNECT_MS, reconnectStrategy: false } as const
  const client: RedisClient = createClient({
    url,
    name,
    socket: url.startsWith('rediss:') ? { ...socket, tls: true, servername: nameOf(url), ...tls } : socket,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
  })
  const { promise: ended, resolve } = Promise.withResolvers<RedisAway>()
  let pings: NodeJS.Timeout | undefined
  const fail = (reason: string) => {
    clearInterval(pings)
    resolve(new RedisAway(`${hostOf(url)}: ${reason}`))
    client.destroy()
  }
  client.on('error', error => fail(reasonOf(error)))
  const patience = setTimeout(fail, CONNECT_MS, `no answer within ${CONNECT_MS / 1000} s`)
  try {
    // (An attempt that we give up may never settle.)
    await Promise.race([client.connect(), ended.then(away => Promise.reject(away))])
  } catch (error) {
    fail(reasonOf(error))
    throw await ended
  } finally {
    clearTimeout(patience)
  }
  pings = pingAtIntervals(client, fail)
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer }
  return {
    client,
    bytes: command => client.sendCommand(command, { typeMapping }),
    ended,
    end: (why = 'we ended the connection') => fail(why),
  }
}

/** A machine that vanished, or a frozen Redis, closes no connection. */
function pingAtIntervals(client: RedisClient, fail: (reason: string) => void): NodeJS.Timeout {
  let unanswered = 0
  const answered = () => {
    unanswered = 0
  }
  // We count pings instead of ms: while this process hangs, Redis is not at fault.
  return setInterval(() => {
    if (++unanswered > MOST_UNANSWERED) return fail(`no answer for ${(MOST_UNANSWERED * PING_MS) / 1000} s`)
    client.ping().then(answered, () => {})
  }, PING_MS).unref()
}

/** Only a host name has a place in the TLS handshake. */
function nameOf(url: string): string {
  const { hostname } = new URL(url)
  return /^[\d.]+$|:/.test(hostname) ? '' : hostname
}

const hostOf = (url: string): string => new URL(url).host

/** An error of Node for several addresses has an empty message. */
function reasonOf(error: unknown): string {
  const { message, code, errors } = error as Error & { code?: string; errors?: Error[] }
  return message || (errors?.map(reasonOf).join('; ') ?? code ?? String(error))
}
