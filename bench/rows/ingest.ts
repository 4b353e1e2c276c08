/**
 * The cost of a POST, with one subscriber, on connections that stay open. POSTs go one after the other, so that they share
 * no work, and at one rate for all servers: a server that gets its next POST before it falls asleep saves
 * the wake-up. Also the cost of an element of a list of a hundred.
 */
import { type Bench, connect, HTML, spend } from '../bench.ts'
import { publish } from '../peers/cables.ts'
import { STREAM } from '../peers/peer.ts'
import { type Contender, eachAlone, named, withBoth } from '../sides.ts'

const LIST = 100
/** Time between POSTs. */
const PACE_US = 100
/** V8 compiles hot code only after a while, and in pauses. */
const WARM_UPS = 5

/** `lists`: the other server also takes lists. */
export async function ingest(bench: Bench, ours: Contender, theirs: Contender, lists: boolean): Promise<void> {
  const { figures, quick, bytes } = bench
  const ms = quick ? 250 : 500
  await withBoth(bench, ours, theirs, async sides => {
    await eachAlone(sides, async ({ target, generator }) => {
      await connect(target, generator, 1)
      await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
      for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: 300, paceUs: PACE_US })
    })
    for (let turn = 0; turn < 3; turn++) {
      const spent = await eachAlone(sides, ({ target, generator }) => spend(target, generator, { ms, paceUs: PACE_US }))
      figures.pair(
        'post',
        ...named(
          sides,
          spent.map(({ us }) => us),
        ),
      )
      figures.pair(
        'alone',
        ...named(
          sides,
          spent.map(({ p50 }) => p50),
        ),
      )
    }
    const list = JSON.stringify(Array(LIST).fill({ stream: STREAM, data: JSON.stringify(HTML) }))
    const [mine, other] = await eachAlone(sides, async ({ name, target, generator }) => {
      if (name === theirs.name && !lists) return undefined
      await generator.posts(target.postPort, [{ group: 0, request: publish(list) }], { batch: LIST })
      await generator.run({ ms })
      return spend(target, generator, { ms: 2 * ms })
    })
    if (other === undefined) figures.add('element', ours.name, mine!.us)
    else figures.pair('element', ...named(sides, [mine!.us, other.us]))
  })
}
