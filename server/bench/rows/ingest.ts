/**
 * What a POST costs, with one subscriber, on connections that are kept; one after the other, so that nothing is
 * shared between them, and at one rate for all: a server that is given the next POST before it falls asleep is spared
 * the waking. And an element of a list of a hundred.
 */
import { type Bench, connect, HTML, spend, withServer } from '../bench.ts'
import { publish } from '../peers/cables.ts'
import { type Peer, STREAM } from '../peers/peer.ts'

const LIST = 100
/** Time between POSTs. */
const PACE_US = 100
/** What runs often is compiled only after a while, and in pauses. */
const WARM_UPS = 5

/** `lists`: it takes lists. */
export async function ingest(bench: Bench, peer: Peer, lists: boolean): Promise<void> {
  const { figures, quick, bytes } = bench
  const ms = quick ? 500 : 1_000
  await withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, 1)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
    for (let n = 0; n < WARM_UPS; n++) await generator.run({ ms: 300, paceUs: PACE_US })
    const one = await spend(target, generator, { ms, paceUs: PACE_US })
    figures.add('post', peer.name, one.us)
    figures.add('alone', peer.name, one.p50)
    if (!lists) return
    const list = JSON.stringify(Array(LIST).fill({ stream: STREAM, data: JSON.stringify(HTML) }))
    await generator.posts(target.postPort, [{ group: 0, request: publish(list) }], { batch: LIST })
    await generator.run({ ms: ms / 2 })
    figures.add('element', peer.name, (await spend(target, generator, { ms })).us)
  })
}
