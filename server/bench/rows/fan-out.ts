/**
 * One broadcast, thousands of subscribers: a visit to a server measures the herd coming in, what it weighs, and what a
 * message costs with one under way and with sixteen.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, connect, HTML, spend, withServer } from '../bench.ts'
import { quantile } from '../figures.ts'
import { INSPECT, inspect } from '../inspector.ts'
import { hotcable } from '../peers/cables.ts'
import { type Peer, STREAM } from '../peers/peer.ts'
import { residentKiB } from '../process.ts'

/** `name` is what the figures are filed under. */
export interface Visit {
  name: string
  peer: Peer
  distinct?: boolean
}

const FEW = 1_000
const WARM_UPS = 5
/** Until then (TCP_MAX_QUICKACKS, 16) the kernel acknowledges each message at once, which a page pays for only once. */
const SETTLED = 20
export const MANY = 10_000

export async function visit(bench: Bench, { name, peer, distinct = false }: Visit): Promise<void> {
  const { figures, quick, bytes } = bench
  const ms = quick ? 700 : 1_000
  await withServer(bench, peer, async (target, generator) => {
    const measure = async (what: string, window: number) => {
      await generator.run({ ms: ms / 3, window })
      const { us, server, load, others, toLast, sample } = await spend(target, generator, { ms, window })
      figures.add(`us ${what}`, name, us)
      figures.add(
        `p99 ${what}`,
        name,
        quantile(
          toLast.toSorted((a, b) => a - b),
          0.99,
        ),
      )
      figures.add(`server ${what}`, name, server)
      figures.add(`load ${what}`, name, load)
      figures.add('others', 'all', others)
      figures.add('bytes', name, Buffer.byteLength(sample))
    }
    await connect(target, generator, FEW, { distinct })
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
    // What runs often is compiled only after a while, and in pauses.
    for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: ms / 3 })
    await measure('1k', 1)
    const light = residentKiB(target.program.pid)
    const more = await connect(target, generator, MANY - FEW, { distinct })
    figures.add('herd', name, (more * 1000) / (MANY - FEW))
    await generator.run({ ms: 20_000, most: SETTLED })
    await measure('10k', 1)
    await measure('10k x16', 16)
    await pause(quick ? 500 : 2_000)
    figures.add('rss', name, (residentKiB(target.program.pid) - light) / (MANY - FEW))
  })
}

/** What sessions weigh once the garbage that they came in with is collected. */
export async function collected(bench: Bench): Promise<void> {
  await withServer(bench, hotcable([INSPECT]), async (target, generator) => {
    const inspector = await inspect(target.program)
    const resident = async () => {
      await inspector.heap()
      return residentKiB(target.program.pid)
    }
    await connect(target, generator, FEW)
    const light = await resident()
    await connect(target, generator, MANY - FEW)
    bench.figures.add('rss collected', 'Hotcable', ((await resident()) - light) / (MANY - FEW))
    inspector.close()
  })
}

/** Clients coming in, and nothing else; the first do not count. */
export async function handshakes(bench: Bench, peer: Peer): Promise<void> {
  const ms = await withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, FEW)
    return connect(target, generator, MANY - FEW)
  })
  bench.figures.add('herd', peer.name, (ms * 1000) / (MANY - FEW))
}

/** How large our frame is. */
export const frameSize = (bench: Bench, peer: Peer): Promise<number> =>
  withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, 1)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes: 0 }) }])
    // (As after some hundred messages, which the offset tells.)
    const { sample } = await generator.run({ ms: 1e4, most: 120 })
    return Buffer.byteLength(sample)
  })
