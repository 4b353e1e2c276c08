/**
 * Many cables with a broker that answers later, in one process: the fuzzer has one for each sequence. Its parent sends it
 * messages (e2e/conformance/late-cables.ts):
 *
 *   { id, start: { seed, flags } }    answered by { id, answer: { cable, broadcast } }; the cable has this id
 *   { id, of, isAway: true }          the broker of the cable `of` is away
 *   { id, of, asks: 'settled' }       answered when nothing is under way, by what the broker forgot
 *   { id, of, asks: 'stop' }
 *   { id, asks: 'memory' }            answered by the bytes that stay in use
 *
 * With HOTCABLE_TEST_REDIS a cable is HOTCABLE_TEST_NODES nodes that share Redis; else its broker is delayed at random.
 */
import { env } from 'node:process'
import { createCable } from '../cable.ts'
import { readConfig } from '../config/read.ts'
import { createLog } from '../log.ts'
import { createDelayingBroker, type DelayingBroker } from './delaying-broker.ts'
import { type LateCable, type Unpublished, watchUnpublished } from './late-cable.ts'
import { startLateNodes } from './late-nodes.ts'
import { settled } from './memory.ts'

interface Order {
  id: number
  start?: { seed: number; flags: string[] }
  of?: number
  isAway?: boolean
  asks?: 'settled' | 'stop' | 'memory'
}

const { HOTCABLE_TEST_REDIS: REDIS, HOTCABLE_TEST_NODES: NODES = '1' } = env
const log = createLog('error', 'text')
const cables = new Map<number, LateCable>()

async function startDelayed(flags: readonly string[], seed: number): Promise<LateCable> {
  let broker: DelayingBroker
  let watch: Unpublished
  const cable = createCable(readConfig(flags, {}), {
    log,
    wrapBroker(memory) {
      broker = createDelayingBroker(memory, { seed, maxMs: 50 })
      watch = watchUnpublished(broker)
      return broker
    },
  })
  await cable.listen()
  return {
    urls: cable.url,
    setAway(isAway) {
      broker.isAway = isAway
    },
    async settled() {
      await broker.settled()
      return watch
    },
    stop: cable.close,
  }
}

async function start(id: number, { seed, flags }: NonNullable<Order['start']>) {
  const cable = await (REDIS ? startLateNodes(Number(NODES), REDIS, flags, log) : startDelayed(flags, seed))
  cables.set(id, cable)
  return { cable: cable.urls.cable, broadcast: cable.urls.broadcast }
}

async function obey({ id, start: asked, of, isAway, asks }: Order): Promise<unknown> {
  if (asked !== undefined) return await start(id, asked)
  if (asks === 'memory') return await settled()
  const cable = cables.get(of!)!
  if (isAway !== undefined) await cable.setAway(isAway)
  if (asks === 'settled') return await cable.settled()
  if (asks !== 'stop') return undefined
  cables.delete(of!)
  return await cable.stop()
}

process.on('message', async (order: Order) => process.send!({ id: order.id, answer: await obey(order) }))
process.on('disconnect', () => process.exit())
