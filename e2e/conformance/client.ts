/**
 * A client that is read frame by frame, and never waits for ever.
 *
 * It is strict: whatever `ws` objects to (an illegal close code, a broken frame) is kept in `errors`, and fails the
 * scenario that it happens in.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { WebSocket } from 'ws'

export const BASE = 'actioncable-v1-json'
export const EXTENDED = 'actioncable-v1-ext-json'

/** Longer than anything here takes; a scenario that waits for this long has failed. */
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

export interface ConnectOptions {
  query?: string
  headers?: Record<string, string>
  protocols?: readonly string[]
  /** Whether `next` shows pings. */
  pings?: boolean
  /** How `next` reads a frame; JSON.parse by default. */
  parse?: (text: string) => Frame
}

interface Waiting {
  take: (text: string) => void
  timer: NodeJS.Timeout
}

export class Client {
  readonly ws: WebSocket
  readonly errors: Error[] = []
  readonly closed: Promise<string>
  readonly #frames: string[] = []
  readonly #waiting: Waiting[] = []
  #ending: string | undefined
  /** The sid of the welcome, once it was taken. */
  sid = ''
  readonly #parse: (text: string) => Frame

  constructor(ws: WebSocket, pings: boolean, parse: (text: string) => Frame) {
    this.ws = ws
    this.#parse = parse
    ws.on('error', error => this.errors.push(error))
    ws.on('message', data => {
      const text = String(data)
      if (!pings && text.startsWith('{"type":"ping"')) return
      const waiting = this.#waiting.shift()
      if (waiting === undefined) return void this.#frames.push(text)
      clearTimeout(waiting.timer)
      waiting.take(text)
    })
    this.closed = new Promise(resolve => {
      ws.on('close', (code, text) => {
        this.#ending = `${code} ${text}`.trim()
        for (const { take, timer } of this.#waiting.splice(0)) {
          clearTimeout(timer)
          take(JSON.stringify({ closed: this.#ending }))
        }
        resolve(this.#ending)
      })
    })
  }

  /** The next frame as it was written; `{"closed":"1000 Auth Failed"}` once there are no more. */
  text(): Promise<string> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    if (this.#ending !== undefined) return Promise.resolve(JSON.stringify({ closed: this.#ending }))
    return new Promise((take, fail) => {
      const timer = setTimeout(() => fail(new Error('no frame came')), PATIENCE_MS)
      this.#waiting.push({ take, timer })
    })
  }

  async next(): Promise<Frame> {
    return this.#parse(await this.text())
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
  }

  /** All frames until one matches, that one included. */
  async until(matches: (frame: Frame) => boolean): Promise<Frame[]> {
    const frames: Frame[] = []
    do {
      const frame = await this.next()
      assert.ok(!('closed' in frame) || matches(frame), `closed: ${frame.closed}`)
      frames.push(frame)
    } while (!matches(frames.at(-1)!))
    return frames
  }

  /** Everything that was answered to what was sent so far: commands are answered in order, so a pong ends it. */
  async answers(): Promise<Frame[]> {
    this.send({ command: 'ping' })
    return (await this.until(({ type }) => type === 'pong')).slice(0, -1)
  }

  /** Vanishes without a word. */
  async drop(): Promise<void> {
    const closed = once(this.ws, 'close')
    this.ws.terminate()
    await closed
  }
}

export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  const { query = '', headers = {}, protocols = [BASE], pings = false, parse = JSON.parse } = options
  const ws = new WebSocket(url + query, [...protocols], { headers, perMessageDeflate: false })
  const client = new Client(ws, pings, parse)
  await once(ws, 'open')
  return client
}
