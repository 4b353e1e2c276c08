/**
 * A connection to Redis for a way in, and the next one when it ends, with growing pauses, for as long as the cable runs.
 */
import { backoff, type Pauses } from '../base/backoff.ts'
import type { RedisConnection } from '../brokers/redis-client.ts'
import type { Log } from '../log.ts'

/** `waiting`: another cable reads. */
export type LinkState = 'starting' | 'away' | 'waiting' | 'well'

export interface Stop {
  readonly isAsked: boolean
  readonly asked: Promise<void>
}

export interface Life {
  become: (state: 'waiting' | 'well') => void
  /** Whether clients may have been here while Redis was away. */
  readonly wasAway: boolean
  readonly stop: Stop
}

/** Uses a connection. Rejects when it cannot go on; resolves soon after it was asked to stop. */
export type Use = (connection: RedisConnection, life: Life) => Promise<void>

export interface LinkParts {
  /** The beginning of each line in the log, and of the text at /ready. */
  title: string
  connect: () => Promise<RedisConnection>
  use: Use
  /** Resolves after so many ms. */
  pause: (ms: number) => Promise<unknown>
  log: Log
}

export interface RedisLink {
  readonly state: LinkState
  /** The state in words. */
  readonly says: string
  /** Resolves when it is connected or away, or in two seconds. */
  start: () => Promise<unknown>
  /** Resolves when the connection has ended, or in two seconds. */
  stop: () => Promise<void>
}

const PAUSES_MS: Pauses = [100, 5_000]
const [START_MS, STOP_MS] = [2_000, 2_000]

export function createRedisLink({ title, connect, use, pause, log }: LinkParts): RedisLink {
  let state: LinkState = 'starting'
  let running: Promise<void> | undefined
  let failures = 0
  let lastReason = ''
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const { promise: known, resolve: know } = Promise.withResolvers<void>()
  const stop = { isAsked: false, asked }

  const become = (next: 'waiting' | 'well') => {
    failures = 0
    lastReason = ''
    if (next !== state) log.info(`${title} ${LINES[next]}`)
    state = next
    know()
  }

  const away = (reason: string) => {
    state = 'away'
    know()
    if (reason !== lastReason) log.warn(`${title} ${LINES.away}: ${reason}`)
    lastReason = reason
  }

  async function run(): Promise<void> {
    while (!stop.isAsked) {
      try {
        await once()
      } catch (error) {
        if (!stop.isAsked) away((error as Error).message)
      }
      await Promise.race([pause(backoff(failures++, PAUSES_MS, Math.random)), asked])
    }
  }

  async function once(): Promise<void> {
    const connection = await connect()
    const used = use(connection, { become, wasAway: state === 'away', stop })
    try {
      await Promise.race([used, connection.ended.then(reason => Promise.reject(reason))])
    } finally {
      connection.end()
      // Its commands now fail, so it settles. What it is doing must not overlap with its next use.
      await used.catch(() => {})
    }
  }

  return {
    get state() {
      return state
    },
    get says() {
      return `${title} ${LINES[state]}`
    },
    start() {
      running = run()
      return Promise.race([known, asked, pause(START_MS)])
    },
    async stop() {
      stop.isAsked = true
      ask()
      await Promise.race([running, pause(STOP_MS)])
    },
  }
}

/** How a sentence about it ends. */
const LINES: Readonly<Record<LinkState, string>> = {
  starting: 'is not connected yet',
  away: 'is away',
  waiting: 'is read by another cable',
  well: 'is connected',
}
