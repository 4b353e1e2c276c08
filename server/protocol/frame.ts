/**
 * A WebSocket text frame, server to client (RFC 6455, 5.2): final, unmasked, in one piece.
 *
 * We build a frame once, and every session that gets the same bytes shares it: that makes a broadcast cheap. Not pure: we cut
 * short frames out of one slab of this module.
 */

/** Frames are short-lived, so we cut many out of one allocation. */
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

/** Returns the frame around a text. */
export function frameOf(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const frame = allocate(headerSize(length) + length)
  frame.write(text, writeHeader(frame, 0, length))
  return frame
}

/** Returns the frame around the concatenated `parts`, UTF-8. */
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

/** Returns the beginning of a frame; `rest` more bytes of its payload follow. */
export function headOf(prefix: Buffer, rest: number): Buffer {
  const length = prefix.length + rest
  const head = allocate(headerSize(length) + prefix.length)
  head.set(prefix, writeHeader(head, 0, length))
  return head
}

/** Copies bytes out of Node's 8 KiB slab, so that keeping them does not keep the slab. */
export function unpooled<B extends Buffer>(bytes: B): B {
  if (bytes.length === bytes.buffer.byteLength) return bytes
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy as B
}

/**
 * Frames of one or several messages, one behind the other, for many readers. Only the prefix of each message differs
 * between readers, so we write only the prefixes for the next reader, into the same bytes if they are free.
 */
export class Batch {
  readonly #bodies: readonly Buffer[]
  /** The index of each prefix in the frames. */
  readonly #places: number[] = []
  #frames: Buffer | undefined
  #prefixLength = 0

  constructor(bodies: readonly Buffer[]) {
    this.#bodies = bodies
  }

  /** Returns the frames, with `prefix` (UTF-8) before each body. The next call overwrites them, unless {@link reuse} forbids it. */
  framed(prefix: Buffer): Buffer {
    const frames = this.#frames
    if (frames === undefined || prefix.length !== this.#prefixLength) return this.#build(prefix)
    for (const at of this.#places) frames.set(prefix, at)
    return frames
  }

  /** `free`: no reader holds the bytes that `framed` returned last. */
  reuse(free: boolean): void {
    if (!free) this.#frames = undefined
  }

  #build(prefix: Buffer): Buffer {
    let size = 0
    for (const body of this.#bodies) {
      const length = prefix.length + body.length
      size += headerSize(length) + length
    }
    const frames = allocate(size)
    this.#places.length = 0
    let at = 0
    for (const body of this.#bodies) {
      at = writeHeader(frames, at, prefix.length + body.length)
      this.#places.push(at)
      frames.set(prefix, at)
      frames.set(body, at + prefix.length)
      at += prefix.length + body.length
    }
    this.#frames = frames
    this.#prefixLength = prefix.length
    return frames
  }
}

/** Yields the payloads of frames that stand one behind the other. This module must have made the frames. */
export function* payloadsOf(frames: Buffer): Iterable<Buffer> {
  for (let at = 0; at < frames.length; ) {
    const short = frames[at + 1]!
    const length =
      short === 127 ? Number(frames.readBigUInt64BE(at + 2)) : short === 126 ? frames.readUInt16BE(at + 2) : short
    at += headerSize(length)
    yield frames.subarray(at, at + length)
    at += length
  }
}
