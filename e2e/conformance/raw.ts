/**
 * A raw socket: handshakes and frames that no library would write.
 */
import { connect, type Socket } from 'node:net'

export interface HandshakeAnswer {
  status: number
  headers: Headers
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

export interface Handshake {
  method?: string
  path?: string
  /** Header lines besides Host; they replace those of an honest client. */
  lines?: readonly string[]
  /** More header lines. */
  more?: readonly string[]
}

export const HONEST = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'] as const

export class RawWebSocket {
  readonly socket: Socket
  #bytes = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', data => {
      this.#bytes = Buffer.concat([this.#bytes, data])
      this.#wake()
    })
    const end = () => {
      this.#ended = true
      this.#wake()
    }
    socket.on('close', end).on('end', end).on('error', end)
  }

  /** Sends a handshake; `answer.status` is 101 if the cable accepts it. */
  static async open(
    url: string,
    { method = 'GET', path, lines = [...HONEST, `Sec-WebSocket-Key: ${KEY}`], more = [] }: Handshake = {},
    rest: Buffer = Buffer.alloc(0),
  ): Promise<{ raw: RawWebSocket; answer: HandshakeAnswer }> {
    const { hostname, port, host, pathname } = new URL(url)
    const raw = new RawWebSocket(connect(Number(port), hostname))
    const head = [`${method} ${path ?? pathname} HTTP/1.1`, `Host: ${host}`, ...lines, ...more, '', ''].join('\r\n')
    raw.socket.write(Buffer.concat([Buffer.from(head), rest]))
    while (!raw.#bytes.includes('\r\n\r\n') && !raw.#ended) await raw.#more()
    const end = raw.#bytes.indexOf('\r\n\r\n')
    const [first = '', ...fields] = raw.#bytes.subarray(0, end).toString().split('\r\n')
    raw.#bytes = raw.#bytes.subarray(end + 4)
    const headers = new Headers(fields.map(field => field.split(': ') as [string, string]))
    return { raw, answer: { status: Number(first.split(' ')[1]), headers } }
  }

  #more(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  write(...frames: Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  /** The next frame: opcode and payload; `undefined` once the connection is closed. */
  async frame(): Promise<{ opcode: number; payload: Buffer } | undefined> {
    for (;;) {
      const bytes = this.#bytes
      const short = (bytes[1] ?? 0) & 0x7f
      const header = short === 127 ? 10 : short === 126 ? 4 : 2
      if (bytes.length >= header) {
        const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short
        if (bytes.length >= header + length) {
          this.#bytes = bytes.subarray(header + length)
          return { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(header, header + length) }
        }
      }
      if (this.#ended) return undefined
      await this.#more()
    }
  }

  /** Skips text until the connection closes; returns the close code, or `undefined` without one. */
  async closeCode(): Promise<number | undefined> {
    for (let frame = await this.frame(); frame !== undefined; frame = await this.frame())
      if (frame.opcode === 8) return frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005
    return undefined
  }

  /** The next text frame that is not a ping. */
  async text(): Promise<string | undefined> {
    for (let frame = await this.frame(); frame !== undefined; frame = await this.frame())
      if (frame.opcode <= 2 && !frame.payload.includes('"type":"ping"')) return frame.payload.toString()
    return undefined
  }
}

export interface FrameOptions {
  opcode?: number
  fin?: boolean
  rsv?: number
  mask?: boolean
}

/** A client's frame, valid or not. */
export function encode(
  payload: string | Buffer,
  { opcode = 1, fin = true, rsv = 0, mask = true }: FrameOptions = {},
): Buffer {
  const body = Buffer.from(payload)
  const first = (fin ? 0x80 : 0) | rsv | opcode
  const masked = mask ? 0x80 : 0
  const header =
    body.length < 126
      ? Buffer.from([first, masked | body.length])
      : body.length < 65_536
        ? Buffer.from([first, masked | 126, body.length >> 8, body.length & 255])
        : Buffer.from([first, masked | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map(by => (body.length >> by) & 255)])
  if (!mask) return Buffer.concat([header, body])
  const key = Buffer.from([1, 2, 3, 4])
  return Buffer.concat([header, key, body.map((byte, at) => byte ^ key[at & 3]!)])
}

export const closeFrame = (code: number): Buffer => encode(Buffer.from([code >> 8, code & 255]), { opcode: 8 })
