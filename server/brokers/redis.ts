/**
 * The broker that nodes share: --broker=redis. What it means for pages: docs/operating.md, *Several nodes*.
 *
 *   publish ─▶ Lua: counter, history, PUBLISH ─▶ Pub/Sub ─▶ feed of every node that listens
 *
 * While Redis is away every call rejects at once, and we try to connect again each second. A new run of Redis is a new epoch:
 * every page refreshes, paced by each node.
 */
import type { ReportFailure } from '../base/failure.ts'
import { randomLetters } from '../base/random.ts'
import { type Broker, BrokerRefused, BrokerUnavailable, type Entry, type Feed, type Signal } from '../broker.ts'
import type { Log } from '../log.ts'
import type { Position } from '../protocol/position.ts'
import type { Publication } from '../protocol/publication.ts'
import { createChannels, type Settle } from './redis-channels.ts'
import type { RedisServer } from './redis-client.ts'
import { RedisFeed } from './redis-feed.ts'
import { beginLife, type Life } from './redis-life.ts'
import { entryOf, printLive, printSignal, printStored } from './redis-messages.ts'

export interface RedisBrokerParts {
  server: RedisServer
  /** How all of our keys and channels begin. */
  prefix: string
  history_limit: number
  history_ttl: number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  failed: ReportFailure
  log: Pick<Log, 'info' | 'warn'>
}

export interface RedisBroker extends Broker {
  listen: (stream: string) => Promise<number>
  unlisten: (stream: string) => void
  /** Asks Redis. Rejects {@link BrokerUnavailable}, also if the epoch changes before the answer is here. */
  ask: <T>(ask: (life: Life) => Promise<T>) => Promise<T>
  /** Resolves once it is connected, or after two seconds. Rejects {@link BrokerRefused}. */
  start: (to: Feed) => Promise<void>
  stop: () => Promise<void>
  /** Resolves when it stops. */
  readonly stopped: Promise<void>
}

const START_MS = 2_000
const STOP_MS = 1_000
const RETRY_MS = 1_000
const TICK_MS = 1_000
/** Ticks in a row without one from the feed, after which it counts as dead. */
const MOST_MISSED = 5
/** Ids of publications; about 100 bytes each. */
const MOST_IDS = 100_000

export function createRedisBroker(parts: RedisBrokerParts): RedisBroker {
  const { server, prefix, history_limit: limit, history_ttl: ttl, later, failed, log } = parts
  const node = randomLetters(8)
  const wanted = new Set<string>()
  /** Ticks that we expected and did not get. */
  let missedTicks = 0
  let isTicked = false
  let nodes = 1
  const feed = new RedisFeed(randomLetters(8), (from, count) => {
    missedTicks = 0
    isTicked = from !== node
    // (After a fail-over each node meets the others one by one.)
    nodes = Math.max(count, nodes - 1)
  })
  /** When Redis last took a publication of this node. */
  let tookAt = Number.NEGATIVE_INFINITY
  /** `undefined`: Redis is away, or we catch up. */
  let joined: { life: Life; settle: Settle } | undefined
  let isStopped = false
  /** Why Redis is away. */
  let why: string | undefined
  let stop = () => {}
  const stopped = new Promise<void>(resolve => {
    stop = resolve
  })

  const connected = () => {
    if (joined === undefined) throw new BrokerUnavailable('Redis is away')
    return joined
  }
  const asked = async <T>(ask: (life: Life) => Promise<T>): Promise<T> => {
    const { life } = connected()
    const answer = await ask(life)
    if (life.epoch !== feed.epoch) throw new BrokerUnavailable('another epoch has begun')
    return answer
  }
  /** Asks for something of which pages on all nodes must learn. */
  const change = <T>(ask: (life: Life) => Promise<T>): Promise<T> =>
    asked(async life => {
      const answer = await ask(life)
      tookAt = performance.now()
      return answer
    })
  const rest = (ms: number) => Promise.race([new Promise<void>(resolve => later(ms, resolve)), stopped])

  async function run(first: (refused?: BrokerRefused) => void): Promise<void> {
    while (!isStopped) {
      try {
        const life = await beginLife(server, prefix)
        void stopped.then(() => life.end('the cable stops'))
        try {
          await join(life)
          first()
          become(undefined)
          become(await life.ended)
        } finally {
          joined = undefined
          life.end('it could not catch up')
        }
      } catch (error) {
        if (error instanceof BrokerRefused) first(error)
        if (!isExpected(error)) failed(error)
        become((error as Error).message)
      }
      await rest(RETRY_MS)
    }
  }

  /** Logs a change. `reason`: why Redis is away. */
  function become(reason: string | undefined): void {
    if (reason === why || isStopped) return
    why = reason
    if (reason === undefined) log.info('the broker is back')
    else log.warn(`the broker is away: ${reason}`)
  }

  async function join(life: Life): Promise<void> {
    const { epoch } = life
    const start = `${prefix}:${epoch}:s:`
    const heard = (text: string, channel: string) => {
      try {
        feed.arrived(text, channel.startsWith(start) ? channel.slice(start.length) : undefined)
      } catch (error) {
        failed(error)
      }
    }
    feed.hold()
    await life.feed.subscribe(`${prefix}:${epoch}:all`, heard)
    const settle = createChannels({ client: life.feed, wanted, channelOf: stream => start + stream, heard })
    await settle(wanted)
    // The pages of the nodes that were here before refreshed before an old master took our last publication.
    if (epoch !== feed.epoch && tookAt > life.beganAt) await life.call('forget', ttl)
    const offset = Number(await life.call<string>('position'))
    if (epoch !== feed.epoch) feed.renew(epoch, offset)
    else feed.caughtUp({ offset, ...(await readAll(life)) })
    joined = { life, settle }
    missedTicks = 0
    tick(life)
  }

  /** Reads what this node may have missed. */
  async function readAll(life: Life): Promise<{ entries: Entry[]; gaps: string[] }> {
    const entries: Entry[] = []
    const gaps: string[] = []
    await Promise.all(
      Array.from(wanted, async stream => {
        const found = await read(life, stream, feed.seen)
        if (found === 'gap') gaps.push(stream)
        else entries.push(...found)
      }),
    )
    return { entries, gaps }
  }

  const read = async (life: Life, stream: string, offset: number) =>
    entriesOf(stream, await life.call<readonly string[] | 'gap'>('after', stream, offset, ttl))

  /** One node ticks for all, each second. */
  function tick(life: Life): void {
    if (joined?.life !== life) return
    if (missedTicks++ >= MOST_MISSED) return life.end(`its feed has been silent for ${MOST_MISSED} s`)
    if (!isTicked) life.call('tick', node, ttl).catch(report)
    isTicked = false
    later(TICK_MS, () => tick(life))
  }

  const report = (error: unknown) => {
    if (!isExpected(error)) failed(error)
  }

  return {
    ask: asked,
    get epoch() {
      return feed.epoch
    },
    get seen() {
      return feed.seen
    },
    get well() {
      return joined !== undefined
    },
    get nodes() {
      return nodes
    },
    position: () => asked(async life => ({ offset: Number(await life.call('position')), epoch: life.epoch })),
    publish: publications =>
      change(async life => {
        const texts = publications.flatMap(argumentsOf)
        const published = await life.call<readonly number[]>('publish', limit, ttl, MOST_IDS, ...texts)
        return publications.filter((_, at) => published[at] === 1)
      }),
    after: async (stream: string, from: Position) => {
      if (from.epoch !== connected().life.epoch) return 'gap'
      return await asked(life => read(life, stream, from.offset))
    },
    since: (stream, seconds) =>
      asked(async life => entriesOf(stream, await life.call<string[]>('since', stream, seconds, ttl)) as Entry[]),
    async listen(stream) {
      wanted.add(stream)
      const { settle } = connected()
      return await asked(async life => {
        await settle([stream])
        return Number(await life.call('position'))
      })
    },
    unlisten(stream) {
      wanted.delete(stream)
      joined?.settle([stream]).catch(() => {}) // (the next connection begins without it)
    },
    tell: (stream, live) =>
      asked(life => life.tell(`${prefix}:${life.epoch}:s:${stream}`, printLive(live))).then(() => {}),
    signal: (signal: Signal) =>
      asked(async life => ({ told: await life.tell(`${prefix}:${life.epoch}:all`, printSignal(signal)) })),
    forget: async lost => {
      if (lost.length === 0) return
      const names = lost === 'all' ? [] : lost.flatMap(({ stream, id = '' }) => [stream, id])
      await change(life => life.call('forget', ttl, ...names))
    },
    start(to) {
      feed.start(to)
      return new Promise((resolve, reject) => {
        later(START_MS, resolve)
        void run(refused => (refused === undefined ? resolve() : reject(refused)))
      })
    },
    stopped,
    async stop() {
      isStopped = true
      // (Redis answers in order, so it has taken what we sent before.)
      await Promise.race([joined?.life.call('position').catch(() => {}), rest(STOP_MS)])
      stop()
    },
  }
}

const isExpected = (error: unknown): boolean => error instanceof BrokerRefused || error instanceof BrokerUnavailable

function argumentsOf({ stream, message, exclude, type, transient, id = '', key = '' }: Publication): string[] {
  const text = printStored({ exclude, type }, message)
  return [stream, id, transient ? '0' : '1', text, key, exclude ?? '']
}

function entriesOf(stream: string, found: readonly string[] | 'gap'): Entry[] | 'gap' {
  if (found === 'gap') return found
  return Array.from({ length: found.length / 2 }, (_, at) => entryOf(stream, Number(found[2 * at]), found[2 * at + 1]!))
}
