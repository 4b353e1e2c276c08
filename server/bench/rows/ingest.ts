/**
 * What a POST costs, with one subscriber, on connections that are kept; one after the other, so that nothing is
 * shared between them. And an element of a list of a hundred.
 */
import { type Bench, connect, HTML, spend, withServer } from '../bench.ts'
import { publish } from '../peers/cables.ts'
import { type Peer, STREAM } from '../peers/peer.ts'

const LIST = 100

/** `lists`: it takes lists. */
export async function ingest(bench: Bench, peer: Peer, lists: boolean): Promise<void> {
  const { figures, quick, bytes } = bench
  const ms = quick ? 500 : 1_000
  await withServer(bench, peer, async (target, generator) => {
    await connect(target, generator, 1)
    await generator.posts(target.postPort, [{ group: 0, request: target.post(STREAM, { html: HTML, bytes }) }])
    await generator.run({ ms })
    const one = await spend(target, generator, { ms })
    figures.add('post', peer.name, one.us)
    figures.add('alone', peer.name, one.p50)
    if (!lists) return
    const list = JSON.stringify(Array(LIST).fill({ stream: STREAM, data: JSON.stringify(HTML) }))
    await generator.posts(target.postPort, [{ group: 0, request: publish(list) }], { batch: LIST })
    await generator.run({ ms: ms / 2 })
    figures.add('element', peer.name, (await spend(target, generator, { ms })).us)
  })
}
