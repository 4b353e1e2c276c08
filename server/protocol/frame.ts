/**
 * A WebSocket text frame, server to client (RFC 6455, 5.2): final, unmasked, in one piece.
 *
 * Built once and shared by every session that is sent the same bytes, which is what makes a broadcast cheap.
 */

/** Frames are short-lived, so they are cut out of a common slab: one allocation for many. */
const SLAB = 64 * 1024
let slab = Buffer.allocUnsafeSlow(SLAB)
let used = 0

function allocate(size: number): Buffer {
  if (size > SLAB / 4) return Buffer.allocUnsafeSlow(size)
  if (used + size > SLAB) {
    slab = Buffer.allocUnsafeSlow(SLAB)
    used = 0
  }
  used += size
  return slab.subarray(used - size, used)
}

const headerSize = (length: number): number => (length < 126 ? 2 : length < 65536 ? 4 : 10)

/** Returns where the payload begins. */
function writeHeader(frame: Buffer, at: number, length: number): number {
  frame[at] = 0x81
  if (length < 126) {
    frame[at + 1] = length
    return at + 2
  }
  if (length < 65536) {
    frame[at + 1] = 126
    frame[at + 2] = length >> 8
    frame[at + 3] = length & 255
    return at + 4
  }
  frame[at + 1] = 127
  frame.writeBigUInt64BE(BigInt(length), at + 2)
  return at + 10
}

/** The frame around the concatenated `parts`, UTF-8. */
export function textFrame(...parts: readonly Buffer[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const frame = allocate(headerSize(length) + length)
  let at = writeHeader(frame, 0, length)
  for (const part of parts) {
    frame.set(part, at)
    at += part.length
  }
  return frame
}

/** What is inside a frame that {@link textFrame} made. */
export function payloadOf(frame: Buffer): Buffer {
  const length = frame[1]
  return frame.subarray(length === 127 ? 10 : length === 126 ? 4 : 2)
}
