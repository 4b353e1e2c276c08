/**
 * One broadcast, thousands of subscribers: the herd that connects, its memory, and the cost of a message with one in flight
 * and with sixteen.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, connect, HTML, type Spent, spend, withServer } from '../bench.ts'
import { quantile } from '../figures.ts'
import { INSPECT, inspect } from '../inspector.ts'
import { hotcable } from '../peers/cables.ts'
import { type Peer, STREAM } from '../peers/peer.ts'
import { residentKiB } from '../process.ts'
import { type Contender, eachAlone, named, type Sides, withBoth } from '../sides.ts'

const FEW = 1_000
export const MANY = 10_000
/** V8 compiles hot code only after a while, and in pauses. */
const WARM_UPS = 5
/** After a pause or a handshake Linux acknowledges this many messages at once, and delays later acknowledgements. */
const QUICK_ACKS = 16

export async function compare(bench: Bench, ours: Contender, theirs: Contender): Promise<void> {
  const { figures, quick, bytes } = bench
  await withBoth(bench, ours, theirs, async sides => {
    await eachAlone(sides, ({ target, generator, distinct = false }) => connect(target, generator, FEW, { distinct }))
    await eachAlone(sides, async ({ target, generator }) => {
      await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
      for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: quick ? 60 : 200 })
    })
    await inTurns(bench, sides, quick ? 1 : 4, [{ what: '1k', ms: 300, window: 1 }])
    const light = sides.map(({ target }) => residentKiB(target.program.pid))
    await letIn(bench, sides)
    const one = { what: '10k', ms: quick ? 400 : 800, window: 1 }
    const sixteen = { what: '10k x16', ms: quick ? 300 : 600, window: 16 }
    if (quick) await inTurns(bench, sides, 1, [one, sixteen])
    else {
      // Garbage of the load with sixteen in flight must not count for the load with one.
      await inTurns(bench, sides, 2, [one])
      await inTurns(bench, sides, 1, [sixteen])
    }
    await pause(quick ? 500 : 2_000)
    const weights = sides.map(({ target }, n) => (residentKiB(target.program.pid) - light[n]!) / (MANY - FEW))
    figures.pair('rss', ...named(sides, weights))
  })
}

/** Only the clients that connect. */
export const compareHerds = (bench: Bench, ours: Contender, theirs: Contender): Promise<void> =>
  withBoth(bench, ours, theirs, async sides => {
    await eachAlone(sides, ({ target, generator }) => connect(target, generator, FEW))
    await letIn(bench, sides)
  })

/** A herd for each server; clients that are already connected do not count. */
async function letIn({ figures }: Bench, sides: Sides): Promise<void> {
  const ms = await eachAlone(sides, ({ target, generator, distinct = false }) =>
    connect(target, generator, MANY - FEW, { distinct }),
  )
  figures.pair(
    'herd',
    ...named(
      sides,
      ms.map(each => (each * 1000) / (MANY - FEW)),
    ),
  )
}

interface Load {
  what: string
  ms: number
  window: number
}

/** Runs all loads in each turn, one after the other. */
async function inTurns({ figures }: Bench, sides: Sides, turns: number, loads: readonly Load[]): Promise<void> {
  const toLast = loads.map(() => [[], []] as [number[], number[]])
  for (let turn = 0; turn < turns; turn++) {
    const spent = await eachAlone(sides, async ({ target, generator }) => {
      await generator.run({ window: loads[0]!.window, ms: 20_000, most: QUICK_ACKS })
      const each: Spent[] = []
      for (const { ms, window } of loads) each.push(await spend(target, generator, { ms, window }))
      return each
    })
    for (const [l, { what }] of loads.entries()) {
      const both = spent.map(each => each[l]!)
      figures.pair(
        `us ${what}`,
        ...named(
          sides,
          both.map(({ us }) => us),
        ),
      )
      for (const [n, { name }] of sides.entries()) {
        const { server, load, others, sample } = both[n]!
        toLast[l]![n]!.push(...both[n]!.toLast)
        figures.add(`server ${what}`, name, server)
        figures.add(`load ${what}`, name, load)
        figures.add('others', 'all', others)
        figures.add('bytes', name, Buffer.byteLength(sample))
      }
    }
  }
  for (const [l, { what }] of loads.entries()) {
    const p99 = toLast[l]!.map(times =>
      quantile(
        times.toSorted((a, b) => a - b),
        0.99,
      ),
    )
    figures.pair(`p99 ${what}`, ...named(sides, p99))
  }
}

/** The memory of sessions, after a collection of the garbage of their handshakes. */
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

/** Returns the size of our frame. */
export const frameSize = (bench: Bench, peer: Peer): Promise<number> =>
  withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, 1)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes: 0 }) }])
    // (As after some hundred messages, which the length of the offset shows.)
    const { sample } = await generator.run({ ms: 1e4, most: 120 })
    return Buffer.byteLength(sample)
  })
