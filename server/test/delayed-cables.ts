/**
 * Many cables with a broker that answers later, in one process: the fuzzer has one for each sequence. Its parent sends it
 * messages (e2e/conformance/late-cables.ts):
 *
 *   { id, start: { seed, flags } }    answered by { id, answer: { cable, broadcast } }; the cable has this id
 *   { id, of, isAway: true }          the broker of the cable `of` is away
 *   { id, of, asks: 'settled' }       answered when nothing is under way, by how often the broker forgot streams
 *   { id, of, asks: 'stop' }
 *   { id, asks: 'memory' }            answered by the bytes that stay in use
 */
import { createCable } from '../cable.ts'
import { readConfig } from '../config/read.ts'
import { createLog } from '../log.ts'
import { createDelayingBroker, type DelayingBroker } from './delaying-broker.ts'
import { settled } from './memory.ts'

interface Order {
  id: number
  start?: { seed: number; flags: string[] }
  of?: number
  isAway?: boolean
  asks?: 'settled' | 'stop' | 'memory'
}

interface Delayed {
  broker: DelayingBroker
  forgotten: number
  stop: () => Promise<void>
}

const log = createLog('error', 'text')
const cables = new Map<number, Delayed>()

async function start(id: number, { seed, flags }: NonNullable<Order['start']>) {
  let broker: DelayingBroker | undefined
  const cable = createCable(readConfig(flags, {}), {
    log,
    wrapBroker(memory) {
      broker = createDelayingBroker(memory, { seed, maxMs: 50 })
      const { forget } = broker
      broker.forget = async streams => {
        await forget(streams)
        delayed.forgotten++
      }
      return broker
    },
  })
  const delayed: Delayed = { broker: broker!, forgotten: 0, stop: cable.close }
  cables.set(id, delayed)
  await cable.listen()
  return { cable: cable.url.cable, broadcast: cable.url.broadcast }
}

async function obey({ id, start: asked, of, isAway, asks }: Order): Promise<unknown> {
  if (asked !== undefined) return await start(id, asked)
  if (asks === 'memory') return await settled()
  const { broker, stop } = cables.get(of!)!
  if (isAway !== undefined) broker.isAway = isAway
  if (asks === 'stop') {
    cables.delete(of!)
    return await stop()
  }
  if (asks === 'settled') await broker.settled()
  return cables.get(of!)!.forgotten
}

process.on('message', async (order: Order) => process.send!({ id: order.id, answer: await obey(order) }))
process.on('disconnect', () => process.exit())
