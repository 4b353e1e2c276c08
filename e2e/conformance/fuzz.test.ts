/**
 * Random sequences of good and broken commands, against a cable and its model.
 *
 *   HOTCABLE_SEED=<the seed printed>   repeats a run
 *   HOTCABLE_FUZZ=10000                is a full run; 1,000 sequences otherwise
 *   HOTCABLE_TEST_SEED=1               each sequence has a separate cable, and its broker answers later (late-model.ts)
 *   within testing/with-nodes.ts       each sequence has three nodes, which share Redis
 *   within testing/with-workers.ts     all sequences share one cable of workers
 *
 * A failure names the sequence and prints the shortest beginning of it that fails.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { BROKER_ANSWERS_LATER } from '../../testing/client.ts'
import { OPEN } from './flags.ts'
import { Random } from './fuzz/random.ts'
import { Inconclusive, Sequence } from './fuzz/sequence.ts'
import { type LateCables, startLateCables } from './late-cables.ts'
import { residentMb, startLateWorkers } from './late-workers.ts'
import { type Server, startHotcable } from './servers.ts'
import { World } from './world.ts'

const { env } = process
const COUNT = Number(env.HOTCABLE_FUZZ ?? 1000)
const SEED = Number(env.HOTCABLE_SEED ?? randomInt(2 ** 31))
/** On a late cable a sequence mostly waits. */
const AT_ONCE = env.HOTCABLE_TEST_REDIS !== undefined ? 6 : env.HOTCABLE_TEST_SEED !== undefined ? 60 : 6
/** Small spaces, collected often: what stays is what is kept. A leak ends it. */
const NODE_FLAGS = ['--max-old-space-size=192', '--max-semi-space-size=2']
const GROWTH_MB = 64
/** No step of a sequence takes this long, on the slowest machine. */
const WEDGED_MS = 90_000
const FLAGS = [
  ...OPEN,
  // What may be kept is little, so that what is kept by mistake shows.
  '--history_max_size=4194304',
  '--max_lost_sessions=500',
  // A settling is a ping, and there are many.
  '--max_command_burst=100000',
]

const SHARED_FLAGS = [...FLAGS, '--presence_ttl=60']
/**
 * On a slow machine a sequence takes a minute. The models expect no lost session to leave meanwhile, and no cable to find
 * its clients too slow: all sequences share one process, which may get no core for some seconds.
 */
const LATE_FLAGS = [...FLAGS, '--presence_ttl=3600', '--heal_delay=0', '--shutdown_timeout=0', '--handshake_timeout=60']

let cable: Pick<Server, 'stop'>
/** Of the one cable of all sequences; `undefined`: each has another. */
let shared: Server | undefined
let late: LateCables | undefined
before(async () => {
  if (!BROKER_ANSWERS_LATER) cable = shared = await startHotcable(SHARED_FLAGS, { nodeFlags: NODE_FLAGS })
  else cable = late = (env.HOTCABLE_TEST_WORKERS ? startLateWorkers : startLateCables)(NODE_FLAGS)
})
after(() => cable.stop())

test(`${COUNT} random sequences are answered as they must be (HOTCABLE_SEED=${SEED})`, {
  timeout: 3_600_000,
}, async t => {
  let next = 0
  const memory: number[] = []
  let inconclusive = 0
  const failures: string[] = []
  const work = async () => {
    while (next < COUNT && failures.length === 0) {
      const n = next++
      if (n % Math.ceil(COUNT / 10) === 0) memory.push(await memoryMb())
      let outcome = await attempt(n)
      for (let again = 0; again < 5 && outcome.error instanceof Inconclusive; again++) outcome = await attempt(n)
      if (outcome.error instanceof Inconclusive) inconclusive++
      else if (outcome.error) failures.push(await shortest(n, outcome))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))

  assert.deepEqual(failures, [])
  assert.ok(inconclusive <= COUNT / 10, `${inconclusive} of ${COUNT} were too slow to tell`)
  if (shared !== undefined) await new World(shared).untilZero('clients_num', 'broadcast_streams_num')
  memory.push(await memoryMb())
  // It is warm after a third. At the end the late cables are gone.
  const grown = memory.at(late === undefined ? -1 : -2)! - memory[4]!
  t.diagnostic(`seed ${SEED}, ${inconclusive} inconclusive, MB: ${memory.join(' ')}`)
  if (COUNT >= 20 * AT_ONCE) assert.ok(grown < GROWTH_MB, `memory grew by ${grown} MB`)
})

interface Outcome {
  error: unknown
  log: string[]
}

const length = (n: number) => 5 + (n % 31)

async function attempt(n: number, steps = length(n)): Promise<Outcome> {
  const seed = Math.imul(SEED, 0x9e3779b1) + n
  const own = await late?.start(LATE_FLAGS, seed ^ Number(env.HOTCABLE_TEST_SEED ?? 0))
  const world = new World(own ?? shared!)
  const sequence = new Sequence(world, new Random(seed), world.stream(`fuzz/${n}`), own)
  let watch: NodeJS.Timeout | undefined
  const wedged = new Promise((_, fail) => {
    let lines: number | undefined
    watch = setInterval(() => {
      if (sequence.log.length === lines) fail(new Error('wedged: nothing came of the last line'))
      lines = sequence.log.length
    }, WEDGED_MS)
  })
  try {
    await Promise.race([sequence.run(steps), wedged])
    return { error: undefined, log: sequence.log }
  } catch (error) {
    return { error, log: sequence.log }
  } finally {
    clearInterval(watch)
    world.close()
    await own?.stop()
  }
}

/** The shortest beginning that fails, or the whole if that was chance. */
async function shortest(n: number, whole: Outcome): Promise<string> {
  for (let steps = 0; steps <= length(n); steps++) {
    const { error, log } = await attempt(n, steps)
    if (error && !(error instanceof Inconclusive)) return told(n, { error, log })
  }
  return `${told(n, whole)}\n(and did not fail again)`
}

const told = (n: number, { error, log }: Outcome): string =>
  `HOTCABLE_SEED=${SEED}, sequence ${n}:\n  ${log.join('\n  ')}\n${error instanceof Error ? error.stack : error}`

const memoryMb = async (): Promise<number> => late?.memory() ?? residentMb(shared!.pid)
