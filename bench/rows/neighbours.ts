/**
 * Clients must not disturb each other: p99 from POST to client without a disturbance and with it, by turns.
 */
import { type Bench, connect, HTML, withServer } from '../bench.ts'
import { DEAF, type Generator, type PostRecord } from '../generator.ts'
import { hotcable, publish, send, subscribe } from '../peers/cables.ts'
import { STREAM, type Target } from '../peers/peer.ts'
import { filler } from '../wire.ts'
import { MANY } from './fan-out.ts'

/** Deliveries a second in the last row; at this rate neither way of delivering fills a core. */
const RATE = 10_000
const STREAMS = 1_000
/** The largest body that the cable takes. */
const MIB = 1 << 20

export async function neighbours(bench: Bench): Promise<void> {
  const ms = bench.quick ? 500 : 2_000
  const times = bench.quick ? 1 : 3
  const quiet: PostRecord = {
    group: 0,
    request: publish(JSON.stringify({ stream: STREAM, data: JSON.stringify(HTML) })),
  }
  const p99 = async (target: Target, generator: Generator, ...more: PostRecord[]) => {
    await generator.posts(target.postPort, [quiet, ...more])
    return (await generator.run({ ms })).p99
  }
  const { figures } = bench

  await withServer(bench, hotcable(), async (target, generator) => {
    await connect(target, generator, MANY)
    await generator.posts(target.postPort, [quiet])
    await generator.run({ ms: ms / 2 })
    for (let i = 0; i < times; i++) {
      figures.add('slow reader', 'undisturbed', await p99(target, generator))
      const release = await clog(target, generator)
      figures.add('slow reader', 'Hotcable', await p99(target, generator))
      await release()
    }
  })

  await withServer(bench, hotcable(), async (target, generator) => {
    await connect(target, generator, MANY)
    await connect(target, generator, 10, { stream: () => 'large', group: () => 1 })
    const frame = { stream: 'large', data: '' }
    const data = filler(MIB - JSON.stringify(frame).length)
    const large = { group: 1, every: 8, request: publish(JSON.stringify({ ...frame, data })) }
    await generator.posts(target.postPort, [quiet])
    await generator.run({ ms: ms / 2 })
    for (let i = 0; i < times; i++) {
      figures.add('large message', 'undisturbed', await p99(target, generator, { ...large, every: 1e9 }))
      figures.add('large message', 'Hotcable', await p99(target, generator, large))
    }
  })

  await withServer(bench, hotcable(), async (target, generator) => {
    await connect(target, generator, MANY)
    await generator.posts(target.postPort, [quiet])
    await generator.run({ ms: ms / 2 })
    const one = await generator.run({ ms: 2 * ms, window: 16, paceUs: (MANY / RATE) * 1e6 })
    figures.add('many streams', 'undisturbed', one.p99)
    await generator.leave()
    const stream = (n: number) => `board/${n % STREAMS}`
    await connect(target, generator, MANY, { stream, group: n => n % STREAMS })
    const posts = Array.from({ length: STREAMS }, (_, n) => ({
      group: n,
      request: publish(JSON.stringify({ stream: stream(n), data: JSON.stringify(HTML) })),
    }))
    await generator.posts(target.postPort, posts)
    const many = await generator.run({ ms: 2 * ms, window: 16, paceUs: (MANY / STREAMS / RATE) * 1e6 })
    figures.add('many streams', 'Hotcable', many.p99)
  })
}

/** Connects a client that does not read, and sends so much that some of it waits in the cable. Returns a function that ends it. */
async function clog(target: Target, generator: Generator): Promise<() => Promise<void>> {
  const [client] = await target.clients(1)
  const words = Buffer.concat([client!.words, subscribe('clog')])
  await generator.connect(target.port, [{ ...client!, group: DEAF, words }], target)
  const body = JSON.stringify({ stream: 'clog', data: filler(100_000) })
  const pending = () => metric(target, 'pending_bytes')
  for (let i = 0; i < 200 && (await pending()) < 300_000; i++) await send(target, body)
  if ((await pending()) < 300_000) throw new Error('the slow reader read too fast')
  return async () => {
    if ((await pending()) < 300_000) throw new Error('the slow reader was gone too soon')
    for (let i = 0; i < 20 && (await pending()) > 0; i++) await send(target, body)
  }
}

async function metric({ port }: Target, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(new RegExp(`^anycable_go_${name} (\\S+)`, 'm').exec(text)?.[1])
}
