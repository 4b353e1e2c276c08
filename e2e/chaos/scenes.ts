/** The servers and cables of a row. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, type TestPostgres } from '../../testing/postgres.ts'
import { createProxy, type TcpProxy } from '../../testing/proxy.ts'
import { startRedis, type TestRedis } from '../../testing/redis.ts'
import { type Nodes, type Stage, startNodes, until } from './nodes.ts'
import { post, postgresOutbox, redisStream, sqliteOutbox, type WayIn } from './ways-in.ts'

export interface Scene {
  readonly nodes: Nodes
  readonly wayIn: WayIn
}

export interface RedisScene extends Scene {
  readonly redis: TestRedis
  /** Between each node and Redis. */
  readonly links: readonly TcpProxy[]
  /** Lets new connections go to another Redis. */
  readonly turnTo: (redis: TestRedis) => void
}

export interface PostgresScene extends Scene {
  readonly postgres: TestPostgres
}

const NODES = 3
const WORKERS = 3

interface RedisSceneOptions {
  /** Lines of the configuration of Redis. */
  config?: readonly string[]
  flags?: readonly string[]
  settings?: Readonly<Record<string, string>>
}

/** Three nodes that share a Redis. */
export async function sharedRedis(
  stage: Stage,
  { config = [], flags = [], settings = {} }: RedisSceneOptions = {},
): Promise<RedisScene> {
  const redis = await startRedis(stage, { config })
  let { port } = redis
  const links = await Promise.all(Array.from({ length: NODES }, () => createProxy(() => port)))
  stage.after(async () => void (await Promise.all(links.map(link => link.close()))))
  const nodes = await startNodes(stage, NODES, n => ({
    flags: ['--broker=redis', `--redis_url=redis://127.0.0.1:${links[n]!.port}`, ...flags],
    settings,
  }))
  return {
    ...{ nodes, redis, links },
    wayIn: post(nodes),
    turnTo(other) {
      port = other.port
    },
  }
}

/** Three nodes that ask a Sentinel for their Redis, which has a replica. */
export async function withSentinel(stage: Stage): Promise<Scene & { master: TestRedis; sentinel: TestRedis }> {
  const master = await startRedis(stage)
  const replica = await startReplica(stage, master.port)
  const sentinel = await startRedis(stage, {
    program: 'redis-sentinel',
    config: [
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 5000',
    ],
  })
  await until(async () => (await sentinel.cli('SENTINEL', 'replicas', 'mymaster')).includes(`${replica.port}`))
  const flags = ['--broker=redis', '--redis_url=redis://mymaster', `--redis_sentinels=127.0.0.1:${sentinel.port}`]
  const nodes = await startNodes(stage, NODES, () => ({ flags }))
  return { nodes, wayIn: post(nodes), master, sentinel }
}

/** Resolves when it has the data of the Redis at `port`. */
export async function startReplica(stage: Stage, port: number): Promise<TestRedis> {
  const replica = await startRedis(stage, { config: [`replicaof 127.0.0.1 ${port}`] })
  await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'))
  return replica
}

/** One cable with its history in memory, and an outbox in PostgreSQL. */
export async function postgresAlone(stage: Stage): Promise<PostgresScene> {
  const postgres = await startPostgres(stage)
  const wayIn = await postgresOutbox(stage, postgres.url)
  const nodes = await startNodes(stage, 1, () => ({ flags: OUTBOX, settings: { HOTCABLE_OUTBOX: postgres.url } }))
  return { nodes, wayIn, postgres }
}

/** Three nodes that share a Redis, and an outbox in PostgreSQL. */
export async function postgresShared(stage: Stage): Promise<PostgresScene & RedisScene> {
  const postgres = await startPostgres(stage)
  const wayIn = await postgresOutbox(stage, postgres.url)
  const scene = await sharedRedis(stage, { flags: OUTBOX, settings: { HOTCABLE_OUTBOX: postgres.url } })
  return { ...scene, wayIn, postgres }
}

const OUTBOX = ['--broadcast_adapter=http,outbox']

/** Two cables, each with its history in memory, and an outbox in SQLite: one of them consumes it, and admits clients. */
export async function sqlitePair(stage: Stage): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'hotcable-chaos-'))
  stage.after(async () => rmSync(folder, { recursive: true }))
  const path = join(folder, 'app.sqlite')
  const wayIn = await sqliteOutbox(stage, path)
  const flags = [...OUTBOX, `--outbox=sqlite:${path}`, '--shutdown_timeout=6']
  return { wayIn, nodes: await startNodes(stage, 2, () => ({ flags })) }
}

const REDISX = '--broadcast_adapter=http,redisx'

/** Three nodes that share a Redis, and read broadcasts from a stream in it. */
export async function redisxShared(stage: Stage): Promise<RedisScene> {
  const scene = await sharedRedis(stage, { flags: [REDISX] })
  return { ...scene, wayIn: await redisStream(stage, scene.redis.url) }
}

/** Two cables, each with its history in memory: one of them reads a stream in Redis, and admits clients. */
export async function redisxPair(stage: Stage): Promise<Scene> {
  const { url } = await startRedis(stage)
  const nodes = await startNodes(stage, 2, () => ({ flags: [REDISX, `--redis_url=${url}`] }))
  return { nodes, wayIn: await redisStream(stage, url) }
}

/** One cable of several processes. */
export async function workers(stage: Stage): Promise<Scene> {
  const nodes = await startNodes(stage, 1, () => ({ flags: [`--workers=${WORKERS}`] }))
  return { nodes, wayIn: post(nodes) }
}

/** One cable that keeps no history and heals no page. */
export async function withoutHistory(stage: Stage): Promise<Scene> {
  const nodes = await startNodes(stage, 1, () => ({ flags: ['--broker=none', '--heal=off'] }))
  return { nodes, wayIn: post(nodes) }
}
