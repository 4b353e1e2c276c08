/**
 * The WebSocket frames of RFC 6455 that a client needs, without extensions. (Only server/transport imports ws, and a client
 * library would hide how a connection ends.) Pure but for the mask.
 */
import { randomBytes } from 'node:crypto'

export const TEXT = 1
export const CLOSE = 8
export const PING = 9
export const PONG = 10

export interface WsFrame {
  readonly opcode: number
  readonly payload: Buffer
}

/** Returns a complete, masked frame. The payload has at most 65535 bytes. */
export function frame(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4)
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255]
  const masked = payload.map((byte, at) => byte ^ mask[at % 4]!)
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length]), mask, masked])
}

/** Returns a function that takes bytes as they arrive, and returns the frames that are complete. */
export function createFrameReader(): (bytes: Buffer) => WsFrame[] {
  let rest: Buffer = Buffer.alloc(0)
  /** The parts of a fragmented message so far. */
  let parts: WsFrame[] = []

  return bytes => {
    rest = Buffer.concat([rest, bytes])
    const frames: WsFrame[] = []
    for (let next = first(rest); next !== undefined; next = first(rest)) {
      rest = rest.subarray(next.size)
      const { isLast, opcode, payload } = next
      if (opcode >= CLOSE) frames.push({ opcode, payload })
      else {
        parts.push({ opcode, payload })
        if (!isLast) continue
        frames.push({ opcode: parts[0]!.opcode, payload: Buffer.concat(parts.map(part => part.payload)) })
        parts = []
      }
    }
    return frames
  }
}

/** Returns the first frame, or `undefined` if it is not complete yet. */
function first(bytes: Buffer): (WsFrame & { isLast: boolean; size: number }) | undefined {
  if (bytes.length < 2) return undefined
  const [head, short] = [bytes[0]!, bytes[1]! & 0x7f]
  const start = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < start) return undefined
  const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  const size = start + length
  if (bytes.length < size) return undefined
  return { isLast: head >= 0x80, opcode: head & 0x0f, payload: bytes.subarray(start, size), size }
}
