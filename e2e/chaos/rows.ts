/**
 * The faults, one a row. Each begins with a scene that is well, and resolves when all is well again, except for what the fault
 * took away for good. It throws if it did not happen as its name says.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { isFree, LOOPBACK } from '../../start/network.ts'
import { NO_POSTGRES } from '../../testing/postgres.ts'
import { createProxy } from '../../testing/proxy.ts'
import { NO_REDIS } from '../../testing/redis.ts'
import { childrenOf, type Node, type Nodes, type Stage, until } from './nodes.ts'
import type { Scene } from './scenes.ts'
import * as scenes from './scenes.ts'

export interface Row {
  readonly name: string
  /** Why it cannot run here. */
  readonly skip: string | false
  /** Whether it runs with --quick. */
  readonly isQuick?: boolean
  /** Whether broadcasts wait in a store while the fault lasts, so that none may become a refresh. */
  readonly isStored?: boolean
  /** The control: a cable that keeps nothing. */
  readonly mustLose?: boolean
  readonly play: (stage: Stage) => Promise<Play>
}

export interface Play extends Scene {
  readonly fault: () => Promise<void>
}

function row<S extends Scene>(
  name: string,
  scene: (stage: Stage) => Promise<S>,
  fault: (scene: S, stage: Stage) => Promise<void>,
  { skip = NO_REDIS, ...more }: Partial<Row> = {},
): Row {
  const play = async (stage: Stage) => {
    const made = await scene(stage)
    return { nodes: made.nodes, wayIn: made.wayIn, fault: () => fault(made, stage) }
  }
  return { name, skip, play, ...more }
}

const IN_POSTGRES = { skip: NO_POSTGRES, isStored: true } as const
const IN_BOTH = { skip: NO_POSTGRES || NO_REDIS, isStored: true } as const

const APPEND_ONLY = { config: ['appendonly yes', 'appendfsync everysec'] }

export const ROWS: readonly Row[] = [
  row('3 nodes, Redis: kill -9 a node', scenes.sharedRedis, ({ nodes }) => nodes.all[0]!.end('SIGKILL'), {
    isQuick: true,
  }),
  row('3 nodes, Redis: restart each in turn', scenes.sharedRedis, ({ nodes }) => restartEach(nodes.all)),
  ...[2, 30].flatMap(seconds => [
    row(
      `3 nodes, Redis: kill -9 Redis, ${seconds} s, no data kept`,
      scenes.sharedRedis,
      ({ redis }) => restart(redis, seconds),
      { isQuick: seconds === 2 },
    ),
    row(
      `3 nodes, Redis: kill -9 Redis, ${seconds} s, appendonly`,
      stage => scenes.sharedRedis(stage, APPEND_ONLY),
      ({ redis }) => restart(redis, seconds),
    ),
  ]),
  row('3 nodes, Redis: freeze the link of a node, 12 s', scenes.sharedRedis, ({ links }) => freeze(links[0]!, 12)),
  row('3 nodes, Redis: 200 ms each way to Redis, 10 s', scenes.sharedRedis, async ({ links }) => {
    for (const link of links) link.delay(200)
    await pause(10_000)
    for (const link of links) link.delay(0)
  }),
  row('3 nodes, Redis: out of memory, 5 s', scenes.sharedRedis, async ({ redis }) => {
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1')
    await pause(5_000)
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0')
  }),
  row('3 nodes, Redis: Sentinel fails over', scenes.withSentinel, async ({ master, sentinel }) => {
    await master.kill()
    const address = () => sentinel.cli('SENTINEL', 'get-master-addr-by-name', 'mymaster')
    await until(async () => !(await address()).includes(`${master.port}`))
  }),
  row('3 nodes, Redis: a replica that lags is promoted', scenes.sharedRedis, promoteLate),
  row('3 nodes, Redis, redisx: kill -9 the reader', scenes.redisxShared, killReader, { isQuick: true, isStored: true }),
  row('2 cables, redisx: kill -9 the reader', scenes.redisxPair, killReader),
  ...[2, 30].map(seconds =>
    row(
      `1 cable, outbox in PostgreSQL: kill -9 PostgreSQL, ${seconds} s`,
      scenes.postgresAlone,
      ({ postgres }) => restart(postgres, seconds),
      { ...IN_POSTGRES, isQuick: seconds === 2 },
    ),
  ),
  row('3 nodes, Redis, outbox: kill -9 between publish and delete', scenes.postgresShared, killBeforeDelete, IN_BOTH),
  row('3 nodes, Redis, outbox: two consumers at once', scenes.postgresShared, thawConsumer, IN_BOTH),
  row(
    "3 nodes, Redis, outbox: freeze the consumer's link to Redis, 12 s",
    scenes.postgresShared,
    async ({ nodes, links }) => freeze(links[nodes.all.indexOf(await consumer(nodes))]!, 12),
    IN_BOTH,
  ),
  row('2 cables, outbox in SQLite: restart each in turn', scenes.sqlitePair, ({ nodes }) => restartEach(nodes.all), {
    skip: false,
    isQuick: true,
  }),
  row(
    '2 cables, outbox in SQLite: kill -9 the consumer',
    scenes.sqlitePair,
    async ({ nodes }) => (await nodes.find(({ isReady }) => isReady)).end('SIGKILL'),
    { skip: false },
  ),
  row('1 cable of 3 workers: kill -9 each worker in turn', scenes.workers, killWorkers, { skip: false, isQuick: true }),
  row(
    '1 cable of 3 workers: kill -9 the primary, start again',
    scenes.workers,
    async ({ nodes: { all } }) => {
      const [node] = all as [Node]
      await node.end('SIGKILL')
      await until(() => isFree(node.port, LOOPBACK))
      await node.start()
    },
    { skip: false },
  ),
  row(
    'control, no history: kill -9 the cable, 2 s',
    scenes.withoutHistory,
    async ({ nodes }) => {
      await nodes.all[0]!.end('SIGKILL')
      await pause(2_000)
      await nodes.all[0]!.start()
    },
    { skip: false, isQuick: true, mustLose: true },
  ),
]

async function restart(
  server: { kill: () => Promise<void>; start: () => Promise<void> },
  seconds: number,
): Promise<void> {
  await server.kill()
  await pause(seconds * 1000)
  await server.start()
}

/** Waits for another node to be ready before each. */
async function restartEach(nodes: readonly Node[]): Promise<void> {
  for (const node of nodes) {
    await until(() => nodes.some(other => other !== node && other.isRunning))
    await node.end('SIGTERM')
    await until(() => nodes.some(({ isReady }) => isReady))
    await node.start()
  }
}

async function freeze(link: { freeze: () => void; pass: () => void }, seconds: number): Promise<void> {
  link.freeze()
  await pause(seconds * 1000)
  link.pass()
}

/** The replica lacks the last two seconds, and takes writes at once. */
async function promoteLate({ redis, turnTo }: scenes.RedisScene, stage: Stage): Promise<void> {
  const replication = await createProxy(redis.port)
  stage.after(() => replication.close())
  const replica = await scenes.startReplica(stage, replication.port)
  const counter = async (of: typeof redis) => Number(await of.cli('HGET', 'hotcable:broker:life', 'offset'))
  replication.freeze()
  await pause(2_000)
  const [had, has] = [await counter(redis), await counter(replica)]
  if (!(has > 0 && has < had)) throw new Error(`the replica does not lag: ${has} of ${had}`)
  await redis.kill()
  await replica.cli('REPLICAOF', 'NO', 'ONE')
  turnTo(replica)
}

/** One worker may have no clients, so each is killed, once the one before it is replaced. */
/** Each dies once the one before is replaced: a cable without workers takes no broadcasts. */
async function killWorkers({ nodes }: Scene): Promise<void> {
  const [node] = nodes.all as [Node]
  const serves = (pid: number) => node.lines.some(line => line.endsWith(` pid=${pid}`))
  const first = childrenOf(node.pid)
  for (const worker of first) {
    process.kill(worker, 'SIGKILL')
    await until(() => {
      const others = childrenOf(node.pid).filter(pid => !first.includes(pid))
      return others.length === first.indexOf(worker) + 1 && others.every(serves)
    })
  }
}

async function killReader({ nodes }: Scene): Promise<void> {
  const reader = await nodes.find(node => node.says(/Redis stream/, /is connected/))
  await reader.end('SIGKILL')
  await nodes.find(node => node !== reader && node.says(/Redis stream/, /is connected/))
}

/** The node that consumes the outbox, and is not `former`. */
const consumer = (nodes: Nodes, former?: Node): Promise<Node> =>
  nodes.find(node => node !== former && node.says(/outbox/, /the outbox is open/))

/** Its rows are published, and PostgreSQL has not deleted them yet. */
async function killBeforeDelete({ nodes, postgres }: scenes.PostgresScene): Promise<void> {
  const client = new pg.Client(postgres.url)
  await client.connect()
  const ask = async (sql: string) => (await client.query(sql)).rows[0]
  await client.query('SELECT pg_advisory_lock(42)')
  await client.query(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END'`)
  await client.query('CREATE TRIGGER hold BEFORE DELETE ON hotcable_outbox EXECUTE FUNCTION hold()')
  let pid: number | undefined
  await until(async () => {
    pid = (await ask("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))?.pid
    return pid !== undefined
  })
  const killed = await consumer(nodes)
  await killed.end('SIGKILL')
  await client.query('SELECT pg_terminate_backend($1, 5000)', [pid])
  await client.query('SELECT pg_advisory_unlock_all()')
  await client.end()
  await consumer(nodes, killed)
}

/** A consumer hangs until another one has taken over, and then goes on with the rows that it had read. */
async function thawConsumer({ nodes }: Scene): Promise<void> {
  const frozen = await consumer(nodes)
  frozen.signal('SIGSTOP')
  await consumer(nodes, frozen)
  frozen.signal('SIGCONT')
  await until(() => frozen.says(/outbox/, /another cable/))
}
