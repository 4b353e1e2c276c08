/**
 * What TLS costs: in each proxy of deploy/ in front of the cable, and in the cable itself. Memory of an idle connection, and CPU of a
 * message that passes, of that program alone. The clients are in the bench's own process.
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { PROXIES } from '../../backends/harness/toolchain.ts'
import { issueToken } from '../../backends/typescript/hotcable.ts'
import { PROXY_NAMES, startDeployed } from '../../e2e/proxies/deployed-proxy.ts'
import { certificate } from '../../testing/certificate.ts'
import { healthy } from '../../testing/child.ts'
import { type Ends, withEnds } from '../../testing/ends.ts'
import { type Bench, HTML } from '../bench.ts'
import { BROADCAST_KEY, hotcable, identifierOf, SECRET } from '../peers/cables.ts'
import { STREAM } from '../peers/peer.ts'
import { cpuMs, residentKiB, SERVER_CORE } from '../process.ts'

/** The columns of the table, and the measure of each. */
export const PROXY_COLUMNS: Readonly<Record<string, string>> = {
  'memory of a connection, KiB': 'proxy rss',
  'a client that connects, CPU, µs': 'proxy connect',
  'a message to one client, CPU, µs': 'proxy us',
}

const PLAIN = 'the cable, without TLS'
const OURS = 'the cable, `--ssl_cert`'
/** The rows of the table. */
export const PROXY_ROWS: readonly string[] = [PLAIN, OURS, ...PROXY_NAMES.map(name => PROXIES[name].title)]

const FEW = 200
const MANY = 2_000
const AT_ONCE = 50

export async function proxies(bench: Bench, step: (what: string, measure: () => Promise<void>) => Promise<void>) {
  await step('proxies: none', () => withEnds(t => direct(bench, t, false)))
  await step('proxies: TLS in the cable', () => withEnds(t => direct(bench, t, true)))
  for (const name of PROXY_NAMES) {
    const { title, find } = PROXIES[name]
    if (find() === undefined) bench.note(`proxies: ${title}: absent (npm run setup -- --proxies)`)
    else
      await step(`proxies: ${title}`, () =>
        withEnds(async t => {
          const { port: cable, program } = await hotcable().start()
          t.after(() => program.stop())
          const { port, child } = await startDeployed(t, name, { app: cable, cables: [cable, cable] })
          spawnSync('taskset', ['-acp', String(SERVER_CORE), String(child.pid)])
          await healthy(`https://localhost:${port}/cable/hotcable.js`, child)
          await measure(bench, title, {
            pid: child.pid!,
            url: `wss://localhost:${port}`,
            posts: `http://127.0.0.1:${cable}`,
          })
        }),
      )
  }
}

async function direct(bench: Bench, t: Ends, isSecure: boolean): Promise<void> {
  const [cert, key] = certificate(t)
  const { port, program } = await hotcable([], isSecure ? [`--ssl_cert=${cert}`, `--ssl_key=${key}`] : []).start()
  t.after(() => program.stop())
  const s = isSecure ? 's' : ''
  const at = { pid: program.pid, url: `ws${s}://localhost:${port}`, posts: `http${s}://localhost:${port}` }
  await measure(bench, isSecure ? OURS : PLAIN, at)
}

interface Measured {
  /** The program that we measure. */
  readonly pid: number
  /** Where clients connect, and where the app POSTs. */
  readonly url: string
  readonly posts: string
}

async function measure({ figures, quick }: Bench, name: string, { pid, url, posts }: Measured): Promise<void> {
  const clients = new Set<WebSocket>()
  let received = 0
  const enter = async () => {
    const token = issueToken({ visitor: randomUUID() }, { secret: SECRET })
    const options = { rejectUnauthorized: false, perMessageDeflate: false }
    const client = new WebSocket(`${url}/cable?jid=${token}`, ['actioncable-v1-ext-json'], options)
    const { promise: isIn, resolve, reject } = Promise.withResolvers<void>()
    client.on('error', reject)
    client.on('message', data => {
      const { type } = JSON.parse(String(data))
      if (type === 'welcome') client.send(JSON.stringify({ command: 'subscribe', identifier: identifierOf(STREAM) }))
      if (type === 'confirm_subscription') resolve()
      if (type === undefined) received++
    })
    await isIn
    clients.add(client)
  }
  const grow = async (size: number) => {
    while (clients.size < size) await Promise.all(Array.from({ length: Math.min(AT_ONCE, size - clients.size) }, enter))
    await pause(quick ? 500 : 3_000)
  }
  const broadcast = async (times: number) => {
    for (let n = 0; n < times; n++) {
      const wanted = received + clients.size
      await post(posts)
      while (received < wanted) await pause(1)
    }
  }
  const [few, many] = quick ? [FEW / 2, FEW] : [FEW, MANY]
  await grow(few)
  await broadcast(20)
  const [light, before] = [residentKiB(pid), cpuMs(pid)]
  await grow(many)
  figures.add('proxy connect', name, (1_000 * (cpuMs(pid) - before)) / (many - few))
  figures.add('proxy rss', name, (residentKiB(pid) - light) / (many - few))
  const times = quick ? 5 : 40
  await broadcast(times)
  const spent = cpuMs(pid)
  await broadcast(times)
  figures.add('proxy us', name, (1_000 * (cpuMs(pid) - spent)) / (times * clients.size))
  for (const client of clients) client.terminate()
}

async function post(url: string): Promise<void> {
  const ask = url.startsWith('https:') ? requestSecurely : request
  const headers = { authorization: `Bearer ${BROADCAST_KEY}`, 'content-type': 'application/json' }
  const asked = ask(`${url}/_broadcast`, { method: 'POST', headers, agent: false, rejectUnauthorized: false })
  asked.end(JSON.stringify({ stream: STREAM, data: JSON.stringify(HTML) }))
  const [answer] = await once(asked, 'response')
  if (answer.resume().statusCode !== 201) throw new Error(`a POST was refused: ${answer.statusCode}`)
}
