/**
 * The clients that the servers of the jitter row are made for, as npm installs them: @anycable/core with the extended protocol,
 * or for Action Cable with its own, socket.io-client, and for nchan and for our events what a browser's EventSource does.
 *
 * All wait for the same random time before they connect again, so that they miss as much.
 */
import { randomUUID } from 'node:crypto'
import { Agent, type ClientRequestArgs, get, type IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Channel, type CreateOptions, createCable } from '@anycable/core'
import { WebSocket } from 'ws'
import { broadcastKey, issueToken, signStream } from '../../backends/typescript/hotcable.ts'
import { reset } from '../../testing/proxy.ts'
import { broadcastByForm } from './action-cable.ts'

export interface StockSettings {
  /** Where clients connect, and where the app POSTs. */
  readonly port: number
  readonly postPort: number
  /** Of a cable. */
  readonly secret: string
  /** Where socket.io-client is. */
  readonly folder: string
}

export interface StockListener {
  /** The client begins to connect. */
  opens: () => void
  receives: Receives
}

type Receives = (text: string) => void

export interface AppPost {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Stock {
  /** Starts a client, which connects by `line` alone; resolves once it is subscribed. */
  start: (settings: StockSettings, stream: string, line: Line, receives: Receives) => Promise<unknown>
  /** What an app sends to broadcast a text. */
  post: (settings: StockSettings, stream: string, text: string) => AppPost
}

export type StockKind = 'cable' | 'events' | 'Action Cable' | 'socket.io' | 'nchan'

export const STOCK: Readonly<Record<StockKind, Stock>> = {
  cable: { start: startCable, post: postToCable },
  events: {
    start: ({ port, secret }, stream, ...rest) => {
      const name = signStream(stream, { secret })
      const jid = issueToken({ visitor: randomUUID() }, { secret })
      return startEventSource(port, `/events?${new URLSearchParams({ turbo_signed_stream_name: name, jid })}`, ...rest)
    },
    post: postToCable,
  },
  'Action Cable': { start: startActionCable, post: (_, stream, text) => broadcastByForm(stream, text) },
  'socket.io': {
    start: startSocketIo,
    post: (_, stream, body) => ({ path: `/${stream}`, headers: {}, body }),
  },
  nchan: {
    start: ({ port }, stream, ...rest) => startEventSource(port, `/events/${stream}`, ...rest),
    post: (_, stream, body) => ({ path: `/pub/${stream}`, headers: {}, body }),
  },
}

/** socket.io-client's own default. */
const [LEAST_WAIT_MS, MOST_WAIT_MS] = [500, 1_500]
const waitMs = () => LEAST_WAIT_MS + Math.random() * (MOST_WAIT_MS - LEAST_WAIT_MS)

/** The agent of one client's connections: it sees each connection begin, and can reset it. */
export class Line extends Agent {
  readonly #opens: () => void
  #socket: Socket | undefined

  constructor(opens: () => void) {
    super()
    this.#opens = opens
  }

  override createConnection(options: ClientRequestArgs): Socket {
    this.#opens()
    this.#socket = connect({ host: options.host!, port: Number(options.port), noDelay: true })
    return this.#socket
  }

  /** Returns whether there was a connection. */
  cut(): boolean {
    if (this.#socket === undefined || this.#socket.destroyed) return false
    reset(this.#socket)
    return true
  }
}

/** Resolves once the client is subscribed, with its connections. */
export async function startClient(
  kind: StockKind,
  settings: StockSettings,
  stream: string,
  { opens, receives }: StockListener,
): Promise<Line> {
  const line = new Line(opens)
  await STOCK[kind].start(settings, stream, line, receives)
  return line
}

class TurboChannel extends Channel<{ signed_stream_name: string }> {
  static override readonly identifier = 'Turbo::StreamsChannel'
}

function startCable(settings: StockSettings, stream: string, line: Line, receives: Receives) {
  const token = issueToken({ visitor: randomUUID() }, { secret: settings.secret })
  return listen(settings, stream, line, receives, {
    protocol: 'actioncable-v1-ext-json',
    websocketAuthStrategy: 'sub-protocol',
    auth: { token },
  })
}

/** (Rails' own client waits for at least six seconds before it connects again, and would lose more.) */
function startActionCable(settings: StockSettings, stream: string, line: Line, receives: Receives) {
  return listen(settings, stream, line, receives, { protocol: 'actioncable-v1-json' })
}

async function listen(
  { port, secret }: StockSettings,
  stream: string,
  agent: Line,
  receives: Receives,
  options: Partial<CreateOptions<'actioncable-v1-ext-json' | 'actioncable-v1-json'>>,
) {
  const cable = createCable(`ws://127.0.0.1:${port}/cable`, {
    ...options,
    websocketImplementation: WebSocket,
    websocketOptions: { agent, perMessageDeflate: false },
    reconnectStrategy: waitMs,
    logLevel: 'error',
  })
  const channel = new TurboChannel({ signed_stream_name: signStream(stream, { secret }) })
  channel.on('message', text => receives(String(text)))
  // The client gives up a subscription whose connection ends before the confirmation. Pages make it again (hotcable-status.js).
  cable.on('connect', () => {
    if (channel.state === 'closed') cable.subscribe(channel)
  })
  await cable.subscribe(channel).ensureSubscribed()
}

function postToCable({ secret }: StockSettings, stream: string, text: string): AppPost {
  return {
    path: '/_broadcast',
    headers: { authorization: `Bearer ${broadcastKey({ secret })}`, 'content-type': 'application/json' },
    body: JSON.stringify({ stream, data: JSON.stringify(text) }),
  }
}

async function startSocketIo({ port, folder }: StockSettings, room: string, agent: Line, receives: Receives) {
  const { io } = createRequire(`${folder}/`)('socket.io-client')
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, agent, query: { room } })
  socket.on('message', receives)
  await new Promise(resolve => socket.once('connect', resolve))
}

/** (Node's EventSource accepts no agent.) */
async function startEventSource(port: number, path: string, agent: Line, receives: Receives) {
  const { promise: isOpen, resolve } = Promise.withResolvers<void>()
  let last: string | undefined
  const open = () => {
    const headers = { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) }
    const request = get({ host: '127.0.0.1', port, path, agent, headers })
    request.on('response', read).on('error', () => {})
    request.on('close', () => setTimeout(open, waitMs()))
  }
  const read = (response: IncomingMessage) => {
    resolve()
    let [event, id, data] = ['', last, '']
    const lines = createInterface({ input: response }).on('error', () => {})
    lines.on('line', line => {
      const [, field, value = ''] = /^(event|id|data): ?(.*)/.exec(line) ?? []
      if (field === 'event') event = value
      if (field === 'id') id = value
      if (field === 'data') data = value
      // An event that is cut short does not count.
      if (line !== '') return
      last = id
      if (data !== '' && event === '') receives(data)
      event = data = ''
    })
  }
  open()
  await isOpen
}
