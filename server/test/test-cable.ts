/**
 * A real cable on a free port, with the clients of testing/client.ts, for the cable's tests.
 *
 * Each takes the test's `t` and tears itself down.
 */
import assert from 'node:assert/strict'
import { createHmac, randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { env } from 'node:process'
import { Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { WebSocket } from 'ws'
import { type Client, type ConnectOptions, connect, type Frame } from '../../testing/client.ts'
import type { SyncBroker } from '../brokers/memory.ts'
import { type Cable, type CableParts, createCable } from '../cable.ts'
import { readConfig } from '../config/read.ts'
import { createLog, type Log } from '../log.ts'
import { behindOne } from './behind-one.ts'
import { createDelayingBroker } from './delaying-broker.ts'
import { sharedStores } from './shared-stores.ts'

export const SECRET = 'canary-qwerty'

/**
 * With one of these variables all cables of a test have a broker that answers later: in Redis, at this URL, or with random
 * delays. `NODES`: each is so many cables that share Redis, behind a front.
 */
const { HOTCABLE_TEST_SEED: SEED, HOTCABLE_TEST_REDIS: REDIS, HOTCABLE_TEST_NODES: NODES = '1' } = env

/** The cables of these tests have --broker=redis. */
export const IN_REDIS = REDIS !== undefined

/** No log line may match: a secret of these tests, a token, a query, a whole signed name. */
export const LEAK = /canary|eyJ[\w-]{10,}\.[\w-]{10,}\.|[\w+/=-]{8,}--[0-9a-f]{64}|[?&]jid=\w/i

export interface TestCable extends Cable {
  /** The URLs of each node. */
  readonly nodes: readonly Cable['url'][]
  /** Everything it logged, one line each. */
  readonly lines: string[]
  /** POSTs to /_broadcast with the derived key. */
  post: (body: unknown, init?: RequestInit) => Promise<Response>
  /** The derived keys. */
  readonly apiKey: string
  readonly key: string
  broadcast: (stream: string, html: string, meta?: object) => Promise<void>
  /** Reads /api/stats; `until` waits until its answer fulfils the condition. */
  stats: () => Promise<Stats>
  until: (matches: (stats: Stats) => boolean) => Promise<void>
  /** The position of a page that is rendered now. */
  position: () => Promise<string>
  connect: (options?: ConnectOptions) => Promise<Client>
  /** Connects and takes the welcome. */
  welcomed: (options?: ConnectOptions) => Promise<Client & { welcome: Frame }>
  /** Lets each node get the stream's messages: until it listens, it may be a second behind. Answers only with --noauth. */
  heard: (identifier: string) => Promise<void>
  /** Resolves once nothing is under way between the nodes and their broker. */
  settled: () => Promise<void>
}

export interface Stats {
  sessions: number
  /** Absent if Redis keeps them. */
  lost_sessions: number
  streams: number
  /** The newest offset that reached the cable. */
  history: { offset: number }
}

/** A cable on free ports; `--secret`, Turbo and --noauth unless `flags` says otherwise. */
export async function startCable(
  t: TestContext,
  flags: string[] = [],
  parts: Omit<CableParts, 'log'> = {},
): Promise<TestCable> {
  const lines: string[] = []
  const log = capture(lines)
  let settled = async () => {}
  const wrapBroker = (memory: SyncBroker) => {
    const broker = createDelayingBroker(memory, { seed: Number(SEED), maxMs: 50 })
    settled = broker.settled
    return broker
  }
  const own = [`--secret=${SECRET}`, '--turbo_streams', '--port=0', '--shutdown_timeout=2', '--heal_delay=0']
  // (Else it means port 8090.)
  if (flags.includes('--public')) own.push('--http_broadcast_port=0')
  const shared = REDIS && [`--redis_url=${REDIS}`, `--redis_prefix=${randomUUID()}:`]
  const isInRedis = shared && parts.wrapBroker === undefined && !flags.some(flag => flag.startsWith('--broker='))
  const config = readConfig([...own, ...(isInRedis ? ['--broker=redis', ...shared] : []), ...flags], {})
  const stores = Array.from({ length: isInRedis ? Number(NODES) : 1 }, () =>
    isInRedis ? sharedStores(config, log) : undefined,
  )
  if (isInRedis)
    settled = async () => {
      // (The second time, what a node asked while another one settled has come to all.)
      for (const _ of [1, 2]) await Promise.all(stores.map(one => one?.settled()))
    }
  const cables = stores.map(one =>
    createCable(config, {
      log,
      ...one?.wraps,
      // (Without a history the broker is always the one in this process.)
      ...(SEED === undefined || config.settings.broker === 'none' ? {} : { wrapBroker }),
      ...parts,
    }),
  )
  await Promise.all(cables.map(cable => cable.listen()))
  // (A busy machine may take longer than a cable waits for Redis, and what came before its first epoch is a gap.)
  await Promise.all(stores.map(one => one?.settled()))
  const nodes = cables.map(cable => cable.url)
  const { urls, closeFronts } = await behindOne(nodes)
  const close = async () => {
    await Promise.all(cables.map(cable => cable.close()))
    await closeFronts()
  }
  t.after(async () => {
    await close()
    assert.doesNotMatch(lines.join(''), LEAK)
  })
  const { cable: url, broadcast } = urls
  const key = createHmac('sha256', SECRET).update('broadcast-cable').digest('hex')
  const apiKey = createHmac('sha256', SECRET).update('api-cable').digest('hex')
  const statsOf = async ({ api }: Cable['url']) =>
    (await (await fetch(`${api}/stats`, { headers: { authorization: `Bearer ${apiKey}` } })).json()) as Stats
  const stats = async () => (await Promise.all(nodes.map(statsOf))).reduce(sum)
  const post = (body: unknown, init: RequestInit = {}) =>
    fetch(broadcast, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...init,
    })
  const position = async () => {
    const answer = await fetch(`${broadcast}/position?stream=any`, { headers: { authorization: `Bearer ${key}` } })
    return ((await answer.json()) as { position: string }).position
  }
  return {
    listen: async () => {},
    close,
    url: urls,
    nodes,
    lines,
    key,
    apiKey,
    post,
    async broadcast(stream, html, meta) {
      await settled()
      const { status } = await post({ stream, data: JSON.stringify(html), meta })
      if (status !== 201) throw new Error(`broadcast: ${status}`)
      await settled()
    },
    position,
    stats,
    async until(matches) {
      while (!matches(await stats())) await setImmediate()
    },
    connect: options => connect(t, url, options),
    async welcomed(options) {
      const client = await connect(t, url, options)
      return Object.assign(client, { welcome: await client.next() })
    },
    async heard(identifier) {
      for (const node of nodes) {
        const client = await connect(t, node.cable)
        await client.welcomed()
        await client.confirmed(identifier)
      }
    },
    settled: () => settled(),
  }
}

/** Two nodes are as far as the slower one. */
const sum = (a: Stats, b: Stats): Stats => ({
  sessions: a.sessions + b.sessions,
  lost_sessions: (a.lost_sessions ?? 0) + (b.lost_sessions ?? 0),
  streams: a.streams + b.streams,
  history: { ...a.history, offset: Math.min(a.history?.offset ?? 0, b.history?.offset ?? 0) },
})

function capture(lines: string[]): Log {
  const out = new Writable({
    decodeStrings: false,
    write(line, _, done) {
      lines.push(line)
      done()
    },
  })
  return createLog('debug', 'text', out)
}

/** The socket behind a client, for bytes that ws would not send. */
export const socketOf = (ws: WebSocket): Socket => (ws as unknown as { _socket: Socket })._socket

export const METRICS = '--metrics_http=/metrics'

/** Reads a metric of a cable with {@link METRICS}, the sum of its nodes; `name` has its labels, but not AnyCable's prefix. */
export async function counted(cable: TestCable, name: string): Promise<number> {
  const figures = cable.nodes.map(async node => {
    const text = await (await fetch(node.cable.replace('ws', 'http').replace('/cable', '/metrics'))).text()
    const line = text.split('\n').find(line => line.startsWith(`anycable_go_${name} `))
    return Number(line?.split(' ').at(-1) ?? 0)
  })
  return (await Promise.all(figures)).reduce((sum, figure) => sum + figure)
}

/** How many refusals with this code a cable with {@link METRICS} has counted. */
export const refused = (cable: TestCable, code: string): Promise<number> =>
  counted(cable, `refusals_total{code="${code}"}`)

/** Signs as a backend would; written anew on purpose, from the reference's rules. */
export function sign(stream: unknown, secret: string = SECRET): string {
  const payload = Buffer.from(JSON.stringify(stream)).toString('base64')
  return `${payload}--${createHmac('sha256', secret).update(payload).digest('hex')}`
}

/** The identifier of an unsigned stream on $pubsub, for a cable with --public. */
export const open = (stream: string): string => JSON.stringify({ channel: '$pubsub', stream_name: stream })

export const turbo = (stream: string, extra: object = {}): string =>
  JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: sign(stream), ...extra })

export function token(claims: object, secret: string = SECRET, header: object = { alg: 'HS256' }): string {
  const digest = (header as { alg: string }).alg.replace('HS', 'sha')
  const text = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${text}.${createHmac(digest, secret).update(text).digest('base64url')}`
}
