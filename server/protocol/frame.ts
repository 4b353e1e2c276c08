/**
 * A WebSocket text frame, server to client (RFC 6455, 5.2): final, unmasked, in one piece.
 *
 * Built once and shared by every session that is sent the same bytes, which is what makes a broadcast cheap.
 */

/** The frame around the concatenated `parts`, UTF-8. */
export function textFrame(...parts: readonly Buffer[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  const start = length < 126 ? 2 : length < 65536 ? 4 : 10
  const frame = Buffer.allocUnsafe(start + length)
  frame[0] = 0x81
  if (start === 2) frame[1] = length
  else if (start === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  let at = start
  for (const part of parts) at += part.copy(frame, at)
  return frame
}

/** What is inside a frame that {@link textFrame} made. */
export function payloadOf(frame: Buffer): Buffer {
  const length = frame[1]
  return frame.subarray(length === 127 ? 10 : length === 126 ? 4 : 2)
}
