/**
 * Clients come and go for a minute: they connect, subscribe, get messages and leave. We measure memory after a
 * collection. The cable keeps sessions and messages for only a second, so that they do not look like growth.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, connect, HTML, withServer } from '../bench.ts'
import { INSPECT, inspect } from '../inspector.ts'
import { hotcable, publish } from '../peers/cables.ts'
import { residentKiB } from '../process.ts'

const CLIENTS = 1_000
const STREAMS = 100

export async function churn(bench: Bench): Promise<void> {
  const peer = hotcable([INSPECT], ['--sessions_ttl=1', '--history_ttl=1'])
  await withServer(bench, peer, async (target, generator) => {
    const inspector = await inspect(target.program)
    let rounds = 0
    const round = async () => {
      const stream = (n: number) => `churn/${rounds}/${n % STREAMS}`
      await connect(target, generator, CLIENTS, { stream, group: n => n % STREAMS, distinct: true })
      const posts = Array.from({ length: STREAMS }, (_, n) => ({
        group: n,
        request: publish(JSON.stringify({ stream: stream(n), data: JSON.stringify(HTML) })),
      }))
      await generator.posts(target.postPort, posts)
      await generator.run({ ms: 1e4, window: 16, most: 3 * STREAMS })
      await generator.leave()
      rounds++
    }
    const alive = async () => {
      await pause(3_000)
      return { heap: await inspector.heap(), rss: residentKiB(target.program.pid) * 1024 }
    }
    const roundsFor = async (ms: number) => {
      for (const end = performance.now() + ms; performance.now() < end; ) await round()
    }
    const ms = bench.quick ? 4_500 : 60_000
    await roundsFor(ms / 3)
    const before = await alive()
    await roundsFor((2 * ms) / 3)
    const after = await alive()
    inspector.close()
    bench.figures.add('churn heap', 'Hotcable', after.heap / 2 ** 20)
    bench.figures.add('churn heap', 'a third of the way', before.heap / 2 ** 20)
    bench.figures.add('churn rss', 'Hotcable', after.rss / 2 ** 20)
    bench.figures.add('churn rss', 'a third of the way', before.rss / 2 ** 20)
    bench.note(`churn: ${rounds} rounds of ${CLIENTS} clients on ${STREAMS} streams`)
  })
}
