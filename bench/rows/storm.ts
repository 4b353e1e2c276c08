/**
 * A node dies, and all its sessions resume on two others at once: the time until the last one has, and the load on Redis.
 *
 * Real clients wait for a random time before they come back. These come as soon as they notice, some hundreds at a time. Each asks
 * for what it missed, as AnyCable's client does, and must get the one message that is sent meanwhile.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type Bench, HTML } from '../bench.ts'
import { quantile } from '../figures.ts'
import { identifierOf, send } from '../peers/cables.ts'
import { STREAM, type Target } from '../peers/peer.ts'
import { cpuMs } from '../process.ts'
import { withTopology } from '../topology.ts'
import { clientFrame } from '../wire.ts'

const AT_ONCE = 400
const PATIENCE_MS = 120_000
const MARK = 'sent-while-they-came-back'
const IDENTIFIER = identifierOf(STREAM)
const SUBSCRIBE = clientFrame(JSON.stringify({ command: 'subscribe', identifier: IDENTIFIER }))

interface StormClient {
  readonly hello: string
  sid: string
  /** Resolves when the connection has ended. */
  gone: Promise<unknown>
  /** How often the message came. */
  marks: number
  isRestored: boolean
  socket: Socket
}

export async function storm(bench: Bench): Promise<void> {
  const count = bench.quick ? 1_000 : 10_000
  await withTopology({ nodes: 3, isInRedis: true, flags: [] }, async running => {
    const [dying, ...others] = running.nodes as [Target, Target, Target]
    const redis = running.redis!
    const busyMs = () => others.reduce((sum, { program }) => sum + cpuMs(program.pid), 0)
    const empty = await redis.bytes()
    const hellos = (await dying.clients(count)).map(({ hello }) => hello)
    const clients = await atMost(AT_ONCE, hellos, hello => open(hello, dying.port))
    // (The cable stores sessions a little later.)
    await pause(2_000)
    const bytes = (await redis.bytes()) - empty

    const [cpu, redisCpu, commands] = [busyMs(), await redis.cpuMs(), await redis.commands()]
    const since = Math.floor(Date.now() / 1_000) - 1
    const began = performance.now()
    dying.program.child.kill('SIGKILL')
    const sent = pause(300).then(() =>
      send(others[0], JSON.stringify({ stream: STREAM, data: JSON.stringify(`${HTML}<!-- ${MARK} -->`) })),
    )
    const ms = await atMost(AT_ONCE, [...clients.entries()], async ([n, client]) => {
      await client.gone
      await resume(client, others[n % others.length]!.port, since)
      return performance.now() - began
    })
    await sent
    const sorted = ms.toSorted((a, b) => a - b)
    const deadline = performance.now() + PATIENCE_MS
    while (clients.some(({ marks }) => marks === 0) && performance.now() < deadline) await pause(20)
    const having = (matches: (client: StormClient) => boolean) => clients.filter(matches).length
    bench.note(
      [
        `storm: a node died, and its ${count} sessions came back to two others: half of them within ${seconds(quantile(sorted, 0.5))} s, all within ${seconds(sorted.at(-1)!)} s;`,
        `${having(({ isRestored }) => isRestored)} were resumed, ${having(({ marks }) => marks === 0)} missed the message of that time, ${having(({ marks }) => marks > 1)} got it twice.`,
        `CPU: ${seconds(busyMs() - cpu)} s of the two cables, ${seconds((await redis.cpuMs()) - redisCpu)} s of Redis for ${(await redis.commands()) - commands} commands. A session takes ${Math.round(bytes / count)} bytes in Redis.`,
      ].join(' '),
    )
    for (const { socket } of clients) socket.destroy()
  })
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(1)

async function open(hello: string, port: number): Promise<StormClient> {
  const client = { hello, sid: '', gone: Promise.resolve(), marks: 0, isRestored: false } as unknown as StormClient
  await converse(client, port, hello, SUBSCRIBE, '"confirm_subscription"')
  return client
}

async function resume(client: StormClient, port: number, since: number): Promise<void> {
  const hello = client.hello.replace('/cable', `/cable?sid=${client.sid}`)
  const command = { command: 'history', identifier: IDENTIFIER, history: { since } }
  await converse(client, port, hello, clientFrame(JSON.stringify(command)), '_history"')
}

/** Connects, says its words after the welcome, and resolves at the answer. */
function converse(client: StormClient, port: number, hello: string, words: Buffer, answer: string): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  client.socket = socket
  client.gone = new Promise(resolve => socket.on('close', resolve))
  socket.write(hello)
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    let text = ''
    let isWelcome = false
    let isAnswered = false
    socket.on('data', bytes => {
      text += bytes.toString('latin1')
      const [, sid] = isWelcome ? [] : (/"sid":"([^"]+)"/.exec(text) ?? [])
      if (sid !== undefined) {
        isWelcome = true
        client.sid = sid
        client.isRestored = text.includes('"restored":true')
        socket.write(words)
      }
      if (!isAnswered && text.includes(answer)) {
        isAnswered = true
        resolve()
      }
      for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK)) {
        client.marks++
        text = text.slice(at + MARK.length)
      }
      // The rest may hold the beginning of what we look for.
      if (isAnswered) text = text.slice(-MARK.length)
    })
  })
}

/** Runs `act` for all items, so many at a time. */
async function atMost<Item, Result>(
  most: number,
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const at = next++
      results[at] = await act(items[at]!)
    }
  }
  await Promise.all(Array.from({ length: most }, work))
  return results
}
