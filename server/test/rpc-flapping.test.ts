/** An application that comes and goes under load: the cable stays well, and all clients go on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../e2e/conformance/fuzz/random.ts'
import type { Client } from '../../testing/client.ts'
import { startRpcApp } from '../../testing/rpc-app.ts'
import { act, channel, type Fault } from '../../testing/rpc-script.ts'
import { counted, METRICS, refused, startCable, token } from './test-cable.ts'

const FAULTS: readonly (Fault | { status: 0 } | undefined)[] = [
  ...(['drop', 'garbage', 'unavailable', 'exhausted', 'crash', { status: 0 }] as const),
  ...Array(6).fill(undefined),
]

for (const transport of ['http', 'grpc'] as const) {
  test(`clients of an app that fails, hangs and restarts over ${transport} go on when it is well`, async t => {
    const random = new Random(5)
    const app = await startRpcApp(t, transport)
    const flags = [`--rpc_host=${app.host}`, '--http_rpc_secret=none', '--rpc_request_timeout=1000', METRICS]
    const cable = await startCable(t, [...flags, '--rpc_concurrency=8'])
    const clients = await Promise.all(
      Array.from({ length: 30 }, () => cable.welcomed({ query: `?jid=${token({ ext: 'ada' })}` })),
    )
    app.before = () => (random.chance(0.05) ? 'hang' : FAULTS[random.below(FAULTS.length)])
    let isOver = false
    const talk = async (client: Client, n: number) => {
      for (let round = 0; !isOver; round++) {
        const chat = channel({ streams: [`chat ${n}`] }, { round })
        client.command('subscribe', chat)
        client.command('message', chat, act({ streams: ['all'], transmissions: ['{"n":1}'] }))
        client.command('unsubscribe', chat)
        client.send({ command: 'ping' })
        await client.until(({ type }) => type === 'pong')
      }
    }
    // (The restarts of the app must end before the test does.)
    const talking = Promise.allSettled(clients.map(talk))
    for (let restarts = 0; restarts < 3; restarts++) {
      await pause(500)
      await app.stop()
      await pause(300)
      await app.start()
    }
    isOver = true
    app.before = () => undefined
    assert.deepEqual(
      (await talking).filter(({ status }) => status === 'rejected'),
      [],
    )

    const chat = channel({ streams: ['chat'] })
    for (const client of clients) await client.confirmed(chat)
    await cable.broadcast('chat', 'hello')
    for (const client of clients) assert.equal((await client.next()).message, 'hello')
    assert.deepEqual([await refused(cable, 'internal'), await counted(cable, 'rpc_pending_num')], [0, 0])
    await cable.until(({ sessions, streams }) => sessions === clients.length && streams === 1)
  })
}
