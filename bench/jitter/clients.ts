/**
 * The program of the jitter row: many clients whose connections it cuts at random, and the app that broadcasts to them.
 *
 * It prints `live` once all clients have their first message, `warm` when it begins to take times, `over` when it ends that, and
 * a {@link JitterResult}.
 */
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { type Line, STOCK, type StockKind, type StockSettings, startClient } from '../peers/stock-clients.ts'
import { cpuMs, waitedMs } from '../process.ts'
import { turboStream } from '../wire.ts'
import { Ledger } from './ledger.ts'

export interface JitterSettings extends StockSettings {
  readonly kind: StockKind
  readonly clients: number
  readonly ms: number
}

export interface JitterResult {
  readonly deliveries: number
  /** What the clients received from `warm` to `over`. */
  readonly measured: number
  readonly cuts: number
  readonly lost: number
  readonly doubled: number
  readonly disordered: number
  readonly replaysMs: readonly number[]
  readonly absencesMs: readonly number[]
  /** Share of the time in which this program was busy. */
  readonly load: number
  /** Share of the time in which its threads waited for their core. */
  readonly waited: number
  /** How long it collected garbage meanwhile. */
  readonly collectedMs: number
}

/** So that a broadcast does not keep this program busy for long. */
const CLIENTS_OF_A_STREAM = 50
const PUBLISH_MS = 250
/** How long a connection lasts on average. */
const CUT_MS = 5_000
/** After the last cut and broadcast: once no message has come for this time, we count the missing ones as lost. */
const PATIENCE_MS = 20_000
/** The longest wait before a client connects again, and a reserve: the CPU of a server that has lost messages counts until then. */
const ALL_ARE_BACK_MS = 2_500
/** A server that was just started is slower. */
const WARM_UP_MS = 8_000
const HTML = turboStream(300)

interface Stream {
  readonly name: string
  /** The number of the last message that the server has taken. */
  newest: number
}

interface CountingClient {
  readonly ledger: Ledger
  readonly stream: Stream
  readonly line: Line
}

const settings = JSON.parse(process.argv[2]!) as JitterSettings
const { kind, clients: count, ms } = settings
const backend = new Agent({ keepAlive: true })
const streams = Array.from({ length: Math.ceil(count / CLIENTS_OF_A_STREAM) }, (_, n) => ({
  name: `jitter${n}`,
  newest: 0,
}))
let [cuts, isOver, received, collectedMs] = [0, false, 0, 0]
new PerformanceObserver(list => {
  for (const { duration } of list.getEntries()) collectedMs += duration
}).observe({ entryTypes: ['gc'] })

const clients = await Promise.all(Array.from({ length: count }, (_, n) => start(streams[n % streams.length]!)))
const hasAll = ({ ledger, stream }: CountingClient) => ledger.lost(stream.newest) === 0
/** A client of socket.io, or nchan, has no position before its first message. */
await Promise.all(streams.map(publish))
await allHaveAll(PATIENCE_MS)
console.log('live')

for (const client of clients) cutLater(client)
const sent = () => clients.reduce((all, { stream }) => all + stream.newest, 0)
await broadcastFor(WARM_UP_MS)
for (const { ledger } of clients) ledger.forgetTimes()
const [began, before, waitedBefore] = [performance.now(), cpuMs(process.pid), waitedMs(process.pid)]
const receivedBefore = received
collectedMs = 0
console.log('warm')
await broadcastFor(ms)
isOver = true
await allHaveAll(ALL_ARE_BACK_MS)
const took = performance.now() - began
const [load, waited] = [(cpuMs(process.pid) - before) / took, (waitedMs(process.pid) - waitedBefore) / took]
const measured = received - receivedBefore
console.log('over')
await allHaveAll(PATIENCE_MS)

const sum = (of: (client: CountingClient) => number) => clients.reduce((all, client) => all + of(client), 0)
const result: JitterResult = {
  deliveries: sent(),
  measured,
  cuts,
  lost: sum(({ ledger, stream }) => ledger.lost(stream.newest)),
  doubled: sum(({ ledger }) => ledger.doubled),
  disordered: sum(({ ledger }) => ledger.disordered),
  replaysMs: clients.flatMap(({ ledger }) => ledger.replaysMs),
  absencesMs: clients.flatMap(({ ledger }) => ledger.absencesMs),
  load,
  waited,
  collectedMs,
}
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit())

async function start(stream: Stream): Promise<CountingClient> {
  const ledger = new Ledger()
  const line = await startClient(kind, settings, stream.name, {
    opens: () => ledger.opens(performance.now(), stream.newest),
    receives: text => {
      received++
      ledger.receives(Number.parseInt(text, 10), performance.now())
    },
  })
  return { ledger, stream, line }
}

/** Cuts at random, so also during a handshake or a replay. */
function cutLater(client: CountingClient): void {
  const { ledger, line } = client
  setTimeout(
    () => {
      if (isOver) return
      if (line.cut()) {
        ledger.cut(performance.now())
        cuts++
      }
      cutLater(client)
    },
    -Math.log(1 - Math.random()) * CUT_MS,
  )
}

async function broadcastFor(ms: number): Promise<void> {
  const end = performance.now() + ms
  await Promise.all(streams.map(stream => broadcast(stream, end)))
}

async function broadcast(stream: Stream, end: number): Promise<void> {
  let due = performance.now() + Math.random() * PUBLISH_MS
  for (; due < end; due += PUBLISH_MS) {
    await pause(Math.max(0, due - performance.now()))
    await publish(stream)
  }
}

async function publish(stream: Stream): Promise<void> {
  const number = stream.newest + 1
  const { path, headers, body } = STOCK[kind].post(settings, stream.name, `${number} ${HTML}`)
  const length = Buffer.byteLength(body)
  const sent = request({
    agent: backend,
    host: '127.0.0.1',
    port: settings.postPort,
    method: 'POST',
    path,
    headers: { ...headers, 'content-length': length },
  })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  if (answer.statusCode! >= 300) throw new Error(`a POST was refused: ${answer.statusCode}`)
  stream.newest = number
}

/** Resolves once each client has all messages, or no message has come for this time. */
async function allHaveAll(patienceMs: number): Promise<void> {
  let [before, since] = [received, performance.now()]
  while (!clients.every(hasAll) && performance.now() - since < patienceMs) {
    await pause(20)
    if (received > before) [before, since] = [received, performance.now()]
  }
}
