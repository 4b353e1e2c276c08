/**
 * For tests: a client that reads the cable's frames one by one, and never waits for ever.
 *
 *   const client = await connect(t, cable.url)
 *   await client.welcomed()
 *   assert.deepEqual(await client.subscribe(identifier), { type: 'confirm_subscription', identifier })
 *
 * It is strict: it keeps every error of ws (an illegal close code, a broken frame) in `errors`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'

export const BASE = 'actioncable-v1-json'
export const EXTENDED = 'actioncable-v1-ext-json'

/** Longer than any answer takes; a test that waits this long has failed. */
const PATIENCE_MS = 60_000

export interface Frame {
  type?: string
  identifier?: string
  message?: unknown
  reason?: string
  reconnect?: boolean
  sid?: string
  stream_id?: string
  epoch?: string
  offset?: number
  restored?: boolean
  restored_ids?: string[]
  [key: string]: unknown
}

/** With one of these variables all cables have a broker that answers later (cable.ts). */
export const BROKER_ANSWERS_LATER = ['SEED', 'REDIS', 'WORKERS'].some(
  name => process.env[`HOTCABLE_TEST_${name}`] !== undefined,
)

interface ReadOptions {
  /** Whether `next` shows pings. */
  pings?: boolean
  /** How `next` reads a frame; JSON.parse by default. */
  parse?: (text: string) => Frame
}

export interface ConnectOptions extends ClientOptions, ReadOptions {
  /** The query, with its `?`. */
  query?: string
  protocols?: string | readonly string[]
}

interface Waiting {
  resolve: (text: string) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

export class Client {
  readonly ws: WebSocket
  readonly errors: Error[] = []
  readonly closed: Promise<{ code: number; text: string }>
  /** The sid of the welcome; set by {@link welcomed}. */
  sid = ''
  readonly #frames: string[] = []
  readonly #waiting: Waiting[] = []
  readonly #parse: (text: string) => Frame
  #closed: Error | undefined

  constructor(ws: WebSocket, { pings = false, parse = JSON.parse }: ReadOptions = {}) {
    this.ws = ws
    this.#parse = parse
    ws.on('error', error => this.errors.push(error))
    ws.on('message', data => {
      const text = String(data)
      if (pings || !text.startsWith('{"type":"ping"')) this.#take(text)
    })
    this.closed = new Promise(resolve => {
      ws.on('close', (code, reason) => {
        const text = String(reason)
        this.#closed = new Error(`the cable closed with ${`${code} ${text}`.trim()}, so no frame will come`)
        for (const { reject, timer } of this.#waiting.splice(0)) {
          clearTimeout(timer)
          reject(this.#closed)
        }
        resolve({ code, text })
      })
    })
  }

  #take(text: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) return void this.#frames.push(text)
    clearTimeout(waiting.timer)
    waiting.resolve(text)
  }

  /** Resolves with the next frame as text; rejects if the connection closes first. */
  text(): Promise<string> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    promise.catch(() => {}) // a test may end without waiting for it
    if (this.#closed) reject(this.#closed)
    else this.#waiting.push({ resolve, reject, timer: setTimeout(reject, PATIENCE_MS, new Error('no frame came')) })
    return promise
  }

  /** Resolves with the next frame; rejects if the connection closes first. */
  next(): Promise<Frame> {
    const next = this.text().then(this.#parse)
    next.catch(() => {})
    return next
  }

  /** Takes the welcome. */
  async welcomed(): Promise<Frame> {
    const welcome = await this.next()
    assert.equal(welcome.type, 'welcome', JSON.stringify(welcome))
    this.sid = welcome.sid!
    return welcome
  }

  send(...messages: unknown[]): void {
    for (const message of messages)
      this.ws.send(typeof message === 'string' || message instanceof Buffer ? message : JSON.stringify(message))
  }

  command(command: string, identifier: string, more: object = {}): void {
    this.send({ command, identifier, ...more })
  }

  /** Subscribes, and resolves with the answer. */
  async subscribe(identifier: string, more: object = {}): Promise<Frame> {
    this.command('subscribe', identifier, more)
    return await this.next()
  }

  async confirmed(identifier: string, more: object = {}): Promise<void> {
    assert.deepEqual(await this.subscribe(identifier, more), { type: 'confirm_subscription', identifier })
    if (BROKER_ANSWERS_LATER && Object.keys(more).length === 0) await this.#live(identifier)
  }

  /** Until then a node may not get messages that no history keeps. The cable answers this question once it does. */
  async #live(identifier: string): Promise<void> {
    this.command('history', identifier, { history: { since: 2 ** 40 } })
    const frames: string[] = []
    for (;;) {
      const text = await this.text()
      if (/^\{"type":"(confirm|reject)_history"/.test(text)) break
      frames.push(text)
    }
    this.#frames.unshift(...frames)
  }

  /** Resolves with all frames up to the first that matches, that one included. */
  async until(matches: (frame: Frame) => boolean): Promise<Frame[]> {
    const frames: Frame[] = []
    do frames.push(await this.next())
    while (!matches(frames.at(-1)!))
    return frames
  }

  /** The cable answers commands in order: everything that it sent earlier arrives before the pong. */
  ping(): void {
    this.send({ command: 'ping' })
  }

  /** All answers to the commands so far. */
  async answers(): Promise<Frame[]> {
    this.ping()
    return (await this.until(({ type }) => type === 'pong')).slice(0, -1)
  }

  /** All frames until the cable has answered a request for history, and those right behind the answer. */
  async history(): Promise<Frame[]> {
    const frames = await this.until(({ type }) => type === 'confirm_history' || type === 'reject_history')
    return [...frames, ...(await this.answers())]
  }

  /** Disappears without a close frame. */
  async drop(): Promise<void> {
    this.ws.terminate()
    await this.closed
  }
}

/** Connects until the test ends; resolves after the handshake, so that `next` shows the cable's first frame. */
export async function connect(
  t: { after: (clean: () => void) => void },
  url: string,
  { query = '', protocols = [BASE], pings, parse, ...options }: ConnectOptions = {},
): Promise<Client> {
  const ws = new WebSocket(url + query, [protocols].flat(), options)
  const client = new Client(ws, { ...(pings ? { pings } : {}), ...(parse ? { parse } : {}) })
  t.after(() => ws.terminate())
  await once(ws, 'open')
  return client
}

/** How Turbo names a subscription to a signed stream. */
export const turboIdentifier = (signed: string): string =>
  JSON.stringify({ channel: 'Turbo::StreamsChannel', signed_stream_name: signed })
