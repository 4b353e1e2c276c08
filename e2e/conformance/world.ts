/**
 * What a scenario gets: one cable, shared with others. Everything that it opens is closed at its end.
 */
import assert from 'node:assert/strict'
import { type Client, type ConnectOptions, connect } from '../../testing/client.ts'
import type { RpcApp } from '../../testing/rpc-app.ts'
import { EventClient } from './events.ts'
import { type Handshake, RawWebSocket } from './raw.ts'
import type { Server } from './servers.ts'
import { derived, pubsub } from './signing.ts'

/** With this variable every cable has workers. */
const { HOTCABLE_TEST_WORKERS: WORKERS } = process.env

interface SeenStats {
  history?: { offset: number }
  workers?: { offset?: number }[]
}

export interface Difference {
  /** What AnyCable does. */
  anycable: string
  /** Why we do not follow. */
  why: `${'bug' | 'hole' | 'extension' | 'choice'}: ${string}`
  /** Asserts AnyCable's behaviour; absent if it differs from run to run. */
  run?: (world: World) => Promise<void>
}

export interface Scenario {
  /** A sentence. */
  title: string
  /** The flags of the cable. */
  flags?: readonly string[]
  /** The scenario needs a cable for itself, because it stops or counts it. */
  alone?: boolean
  /** Why the scenario does not hold for a cable that keeps everything in Redis. */
  inMemory?: string
  /** The scenario does not hold for a cable that keeps nothing. */
  needsBroker?: true
  /** Why the scenario does not hold for a cable that consists of several nodes. */
  ofOneNode?: string
  run: (world: World) => Promise<void>
  differs?: Difference
  /** Our cable does not do this yet: the scenario runs, and may fail. */
  todo?: string
  /** What the gem's AnyCable lacks, so that there is nothing to compare. */
  absent?: string
}

let streams = 0

export class World {
  readonly server: Server
  /** The server's own Authorization header for broadcasts. */
  broadcastKey = derived('broadcast-cable')
  readonly #clients: Client[] = []
  readonly #leave: (() => void)[] = []
  readonly #raws: RawWebSocket[] = []
  readonly #events: EventClient[] = []

  constructor(server: Server) {
    this.server = server
  }

  /** The app that the cable calls by RPC. */
  get app(): RpcApp {
    return this.server.app!
  }

  /** A name that no other scenario uses. */
  stream(name = 'chat'): string {
    streams += 1
    return `${name}/${streams}`
  }

  async connect(options?: ConnectOptions, url = this.server.cable): Promise<Client> {
    const client = await connect({ after: leave => this.#leave.push(leave) }, url, {
      perMessageDeflate: false,
      ...options,
    })
    this.#clients.push(client)
    return client
  }

  /** Connects and takes the welcome. */
  async welcomed(options?: ConnectOptions): Promise<Client> {
    const client = await this.connect(options)
    await client.welcomed()
    return client
  }

  /** Connects, and subscribes to each identifier. */
  async listening(...identifiers: string[]): Promise<Client> {
    const client = await this.welcomed()
    for (const identifier of identifiers) await client.confirmed(identifier)
    return client
  }

  /** Lets every node get the stream's messages: until it listens, it may be a second behind. */
  async heard(identifier: string): Promise<Client[]> {
    const clients: Client[] = []
    for (const url of this.server.nodes) {
      const client = await this.connect({}, url)
      await client.welcomed()
      await client.confirmed(identifier)
      clients.push(client)
    }
    return clients
  }

  async raw(handshake?: Handshake, rest?: Buffer) {
    const opened = await RawWebSocket.open(this.server.cable, handshake, rest)
    this.#raws.push(opened.raw)
    return opened
  }

  /** Asks for server-sent events. */
  async events(query: Record<string, string>, init?: RequestInit): Promise<EventClient> {
    const events = await EventClient.open(`${this.server.http}/events?${new URLSearchParams(query)}`, init)
    this.#events.push(events)
    return events
  }

  post(body: unknown, init: RequestInit = {}, url: string = this.server.broadcast): Promise<Response> {
    return fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.broadcastKey}` },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
      ...init,
    })
  }

  /** Sends any JSON to a stream. */
  async broadcast(stream: string, message: unknown, meta?: object): Promise<void> {
    const { status } = await this.post({ stream, data: JSON.stringify(message), ...(meta ? { meta } : {}) })
    assert.equal(status, 201)
    if (WORKERS !== undefined) await this.#seen()
  }

  /** Waits until every worker knows of all broadcasts: a client that subscribes sooner may get one of just before. */
  async #seen(): Promise<void> {
    for (;;) {
      const headers = { authorization: `Bearer ${derived('api-cable')}` }
      const answer = await fetch(`${this.server.http}/api/stats`, { headers })
      if (answer.status !== 200) return
      const { history, workers = [] } = (await answer.json()) as SeenStats
      if (workers.every(({ offset }) => offset === undefined || offset >= history!.offset)) return
    }
  }

  /** Every frame that a client gets before one last broadcast: an earlier message that is missing will never come. */
  async everything(client: Client, stream: string): Promise<unknown[]> {
    await this.broadcast(stream, 'that was all', { transient: true })
    return (await client.until(({ message }) => message === 'that was all')).slice(0, -1)
  }

  /** Waits until all that was broadcast before has reached the cable's own listeners: it has one feed, in order. */
  async fed(): Promise<void> {
    const stream = this.stream('fed')
    const client = await this.listening(pubsub(stream))
    await this.everything(client, stream)
    await client.drop()
  }

  /** A figure of the metrics, by AnyCable's name: the sum of all nodes. */
  async gauge(name: string): Promise<number> {
    const figures = this.server.metrics.map(async url => {
      const text = await (await fetch(url)).text()
      const [, value] = new RegExp(`^anycable_go_${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(text) ?? []
      assert.ok(value, `no ${name} in the metrics`)
      return Number(value)
    })
    return (await Promise.all(figures)).reduce((sum, figure) => sum + figure)
  }

  /** Waits until it is zero, one request at a time. */
  async untilZero(...gauges: string[]): Promise<void> {
    for (const name of gauges) while ((await this.gauge(name)) > 0);
  }

  /** A scenario passes only if none of its clients saw a broken rule of WebSocket. */
  end(): void {
    for (const { errors } of this.#clients) assert.deepEqual(errors, [])
  }

  close(): void {
    for (const leave of this.#leave) leave()
    for (const { socket } of this.#raws) socket.destroy()
    for (const events of this.#events) events.close()
  }
}
