/**
 * One life of the connection to Redis: a connection for commands, one for the feed, and the epoch that both found.
 *
 *   connect ─▶ refuse what Redis must not do ─▶ load functions ─▶ begin (epoch, run_id) ─▶ the feed, of the same run_id
 *
 * Any doubt ends it: a lost connection, another epoch, a replica, a Redis that has forgotten our functions. The next life
 * begins anew.
 */
import { randomLetters } from '../base/random.ts'
import { BrokerRefused, BrokerUnavailable } from '../broker.ts'
import { connectRedis, type RedisConnection, type RedisServer } from './redis-client.ts'
import { FUNCTIONS, type FunctionName } from './redis-lua.ts'

export interface Life {
  readonly epoch: string
  /** When the epoch began, at the earliest, in `performance.now()`. */
  readonly beganAt: number
  /** The connection of the feed. Each command rejects {@link BrokerUnavailable}. */
  readonly feed: Subscriber
  /** Calls one of our functions with the epoch. Rejects with {@link BrokerUnavailable}. */
  call: <T>(name: FunctionName, ...args: readonly (string | number)[]) => Promise<T>
  /** Publishes to a channel. Returns how many nodes heard it. Rejects with {@link BrokerUnavailable}. */
  tell: (channel: string, text: string) => Promise<number>
  /** Resolves with the reason, in words. */
  readonly ended: Promise<string>
  end: (reason: string) => void
}

export type Subscriber = Pick<RedisConnection['client'], 'subscribe' | 'unsubscribe'>

/** Rejects with {@link BrokerUnavailable} or {@link BrokerRefused}. */
export async function beginLife(server: RedisServer, prefix: string): Promise<Life> {
  let commands: RedisConnection | undefined
  let feed: RedisConnection | undefined
  try {
    commands = await connectRedis(server, 'hotcable')
    const { client } = commands
    refuseUnfit(await client.sendCommand<string>(['INFO']))
    const shas = {} as Record<FunctionName, string>
    for (const name of Object.keys(FUNCTIONS) as FunctionName[])
      shas[name] = await client.sendCommand<string>(['SCRIPT', 'LOAD', FUNCTIONS[name]])
    const evaluate = <T>(name: FunctionName, args: readonly (string | number)[]) =>
      client.sendCommand(['EVALSHA', shas[name], '1', prefix, ...args.map(String)]) as Promise<T>
    const askedAt = performance.now()
    const [epoch, run, ageMs] = await evaluate<[string, string, number]>('begin', [randomLetters(8)])
    feed = await connectRedis(server, 'hotcable-feed')
    // With Sentinels, or behind a proxy, the second connection may have met another Redis.
    if (field(await feed.client.sendCommand<string>(['INFO', 'server']), 'run_id') !== run)
      throw new BrokerUnavailable('two connections met two Redis servers')
    return joined(commands, feed, { epoch, beganAt: askedAt - ageMs }, evaluate)
  } catch (error) {
    commands?.end()
    feed?.end()
    throw error instanceof BrokerRefused ? error : new BrokerUnavailable((error as Error).message, { cause: error })
  }
}

function joined(
  commands: RedisConnection,
  feed: RedisConnection,
  { epoch, beganAt }: Pick<Life, 'epoch' | 'beganAt'>,
  evaluate: <T>(name: FunctionName, args: readonly (string | number)[]) => Promise<T>,
): Life {
  const { promise: ended, resolve } = Promise.withResolvers<string>()
  const end = (reason: string) => {
    resolve(reason)
    commands.end()
    feed.end()
  }
  for (const connection of [commands, feed]) void connection.ended.then(({ message }) => end(message))
  const refuse = (error: Error): never => {
    const code = codeOf(error)
    if (ENDS.has(code)) end(error.message)
    // (Redis names every other condition in capital letters: OOM, MISCONF, NOREPLICAS, BUSY …)
    else if (code === 'ERR' || code === 'WRONGTYPE') throw error
    throw new BrokerUnavailable(error.message, { cause: error })
  }
  return {
    ...{ epoch, beganAt, ended, end },
    feed: {
      subscribe: (...channels) => feed.client.subscribe(...channels).catch(refuse),
      unsubscribe: (...channels) => feed.client.unsubscribe(...channels).catch(refuse),
    },
    call: <T>(name: FunctionName, ...args: readonly (string | number)[]) =>
      evaluate<T>(name, [epoch, ...args]).catch(refuse),
    tell: (channel, text) => commands.client.publish(channel, text).catch(refuse),
  }
}

/** (Redis 6 puts the code of an error inside a function behind the place.) */
const codeOf = ({ message }: Error): string =>
  /^ERR .*@user_script: *\d+: -([A-Z]+) /.exec(message)?.[1] ?? message.split(' ', 1)[0]!

/** Answers of Redis after which nothing on this connection can be right. */
const ENDS: ReadonlySet<string> = new Set(['EPOCH', 'READONLY', 'NOSCRIPT', 'LOADING'])

const field = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:([^\\r\\n]*)`, 'm').exec(info)?.[1]

/** Throws {@link BrokerRefused} if this Redis would lose messages, or lacks what we use. */
function refuseUnfit(info: string): void {
  const [major = 0, minor = 0] = (field(info, 'redis_version') ?? '').split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2))
    throw new BrokerRefused('--broker=redis needs Redis 6.2 or newer, or Valkey')
  if (field(info, 'cluster_enabled') === '1')
    throw new BrokerRefused(
      '--broker=redis does not work with Redis Cluster: use one Redis, with Sentinels if it must not fail',
    )
  const policy = field(info, 'maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction')
    throw new BrokerRefused(
      `--broker=redis needs maxmemory-policy noeviction, not ${policy}: Redis would drop messages that pages still miss`,
    )
}
