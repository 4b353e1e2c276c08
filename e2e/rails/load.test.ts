/**
 * A cable in front of a real Rails app for a minute, over HTTP and over gRPC: clients come and go, and the cable restarts under
 * them. The cable keeps no memory for clients that have gone, and frees the slots of their calls; Rails runs each callback.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../start/network.ts'
import type { Transport } from '../../testing/rpc-app.ts'
import { startHotcable } from '../conformance/servers.ts'
import { missingFor, SECRET, startChat } from '../languages/rails-chat.ts'
import { type Crowd, startCrowd, startWitness, type Witness } from './crowd.ts'

const CROWD = { guests: 12, stayers: 6 }
const RESTARTS = 3
/** Calls at once: fewer than clients, so that the clients soon lack a slot that the cable does not free. */
const SLOTS = 4
const WARM_UP_S = 15
const STEADY_S = 30
/** V8 lets a larger heap grow for minutes before it collects what is garbage. */
const SMALL_HEAP = ['--max-semi-space-size=2', '--max-old-space-size=64']
/** What the garbage collector leaves differs by some MiB from one look to the next. */
const MOST_GROWTH = 8 << 20

for (const transport of ['http', 'grpc'] as const) {
  test(`a cable under load loses no callback and keeps its memory, also when it restarts (${transport})`, {
    skip: missingFor(transport),
  }, async t => {
    const [port, own, rpcPort] = await freePorts(3)
    const flags = flagsOf(transport, port!, own!, rpcPort!)
    let cable = await startHotcable(flags, { nodeFlags: SMALL_HEAP })
    t.after(() => cable.stop())
    const witness = await startWitness(t, cable.broadcast)
    const chat = await startChat(t, transport, { broadcastUrl: witness.url, port: own!, rpcPort: rpcPort! })
    const crowd = startCrowd(t, cable.cable, chat, CROWD)

    await pause(1000 * WARM_UP_S)
    const before = await leastMemory(cable.metrics[0]!, STEADY_S / 3)
    await pause((1000 * STEADY_S) / 3)
    const growth = (await leastMemory(cable.metrics[0]!, STEADY_S / 3)) - before
    for (let times = 0; times < RESTARTS; times++) {
      assert.equal(await cable.stop(), 0)
      cable = await startHotcable(flags, { nodeFlags: SMALL_HEAP })
      await crowd.allAnswered()
    }
    await crowd.stop()
    await untilZero(cable.metrics[0]!, 'clients_num', 'rpc_pending_num', 'disconnect_queue_size')
    await untilTold(crowd, witness)

    const { users, saw, answers, resumed } = crowd
    console.log(
      `${transport}: ${users.size} users, ${answers} answers, ${resumed} resumed, memory ${growth >> 10} KiB more`,
    )
    assert.ok(growth < MOST_GROWTH, `${growth} bytes more`)
    assert.ok(resumed > 0)
    for (const user of users) {
      const [left, ended] = [witness.ran.of('disconnect', user), witness.ran.of('unsubscribed', user)]
      // Rails may have admitted a client whose connection ended before its welcome.
      assert.ok(left <= saw.of('attempts', user) - saw.of('resumed', user), `${user}: disconnect ran ${left} times`)
      assert.ok(ended <= saw.of('subscribes', user), `${user}: unsubscribed ran ${ended} times`)
    }
  })
}

function flagsOf(transport: Transport, port: number, own: number, rpcPort: number): string[] {
  return [
    `--port=${port}`,
    `--rpc_host=${transport === 'http' ? `http://127.0.0.1:${own}/_anycable` : `127.0.0.1:${rpcPort}`}`,
    `--rpc_concurrency=${SLOTS}`,
    `--secret=${SECRET}`,
    '--headers=cookie,origin',
    '--disconnect_rate=1000',
    '--presence_ttl=1',
    // A call that has no answer in time is lost, and a busy machine needs more than the usual 3 s.
    ...['--rpc_request_timeout=60000', '--rpc_command_timeout=60000', '--shutdown_timeout=60'],
  ]
}

/** Once Rails has run a callback for each session, and for each subscription, that has ended. */
async function untilTold({ users, saw }: Crowd, { ran }: Witness): Promise<void> {
  const missing = () =>
    [...users]
      .flatMap(user => [
        `disconnect of ${user}: ${saw.of('sessions', user) - ran.of('disconnect', user)}`,
        `unsubscribed of ${user}: ${saw.of('subscriptions', user) - ran.of('unsubscribed', user)}`,
      ])
      .filter(line => /: [1-9]/.test(line))
  for (let tries = 0; missing().length > 0; tries++) {
    assert.ok(tries < 600, `Rails did not run all callbacks: ${missing()}`)
    await pause(100)
  }
}

const figure = async (url: string, name: string): Promise<number> =>
  Number(new RegExp(`^anycable_go_${name} (\\d+)$`, 'm').exec(await (await fetch(url)).text())![1])

/** Its resident memory, in bytes, after a garbage collection in so many seconds. */
async function leastMemory(url: string, seconds: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let times = 0; times < 4 * seconds; times++) {
    least = Math.min(least, await figure(url, 'mem_sys_bytes'))
    await pause(250)
  }
  return least
}

async function untilZero(url: string, ...names: string[]): Promise<void> {
  for (const name of names) while ((await figure(url, name)) > 0) await pause(50)
}
