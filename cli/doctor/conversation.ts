/**
 * An open WebSocket that speaks Action Cable: it keeps each frame with the time of its arrival, answers pings, and remembers
 * how the connection ended.
 */
import type { Duplex } from 'node:stream'
import { CLOSE, createFrameReader, frame, PING, PONG, TEXT } from './frames.ts'

/** A frame of the cable; `at` is this machine's clock, Unix time in ms. */
export interface Heard {
  readonly at: number
  readonly type?: string
  readonly [key: string]: unknown
}

export interface End {
  readonly at: number
  /** `undefined`: the connection broke off without a close frame. */
  readonly close?: { readonly code: number; readonly reason: string }
}

export class Conversation {
  readonly openedAt = Date.now()
  readonly heard: Heard[] = []
  end: End | undefined
  readonly #socket: Duplex
  #waiting: (() => void)[] = []

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    const read = createFrameReader()
    const take = (bytes: Buffer) => {
      for (const { opcode, payload } of read(bytes)) this.#take(opcode, payload)
    }
    socket.on('data', take)
    socket.on('error', () => {}) // 'close' follows
    socket.on('end', () => this.#ended())
    socket.on('close', () => this.#ended())
    if (head.length > 0) take(head)
  }

  send(command: object): void {
    this.#write(TEXT, Buffer.from(JSON.stringify(command)))
  }

  /** Resolves with the first frame that matches; with `undefined` once the connection has ended, or after `timeoutMs`. */
  async until(matches: (heard: Heard) => boolean, timeoutMs: number): Promise<Heard | undefined> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = this.heard.find(matches)
      const left = deadline - performance.now()
      if (found !== undefined || this.end !== undefined || left <= 0) return found
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  close(): void {
    this.#write(CLOSE, Buffer.from([0x03, 0xe8])) // 1000
    this.#socket.destroy()
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === PING) this.#write(PONG, payload)
    if (opcode === CLOSE) {
      const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
      this.#ended({ code, reason: payload.subarray(2).toString() })
    }
    if (opcode !== TEXT) return
    const at = Date.now()
    const heard = parse(payload.toString())
    this.heard.push({ ...heard, at })
    // A cable with --pong_timeout ends clients that do not answer.
    if (heard.type === 'ping') this.send({ command: 'pong' })
    this.#wake()
  }

  #ended(close?: End['close']): void {
    this.end ??= { at: Date.now(), ...(close && { close }) }
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #write(opcode: number, payload: Buffer): void {
    if (this.#socket.writable) this.#socket.write(frame(opcode, payload))
  }
}

/** A text that is not an object of JSON has no type. */
function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
