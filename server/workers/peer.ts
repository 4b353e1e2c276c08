/**
 * One end of the pipe between the primary and a worker: asks and tells the other end, and answers it.
 *
 *   frame   length (4 bytes) · what V8 serializes: [id, name, …arguments] or [-id, outcome, value]
 *
 * The pipe keeps the order: an answer that is known at once arrives before everything that this end says later.
 */
import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'
import type { ReportFailure } from '../base/failure.ts'
import type { Soon } from '../base/soon.ts'
import { BrokerUnavailable } from '../broker.ts'

/** Functions that the other end may call, by their names. */
export type Offers<T> = { readonly [name in keyof T]: (...args: never[]) => Soon<unknown> }

export interface Peer<Theirs extends Offers<Theirs>> {
  /** Rejects {@link BrokerUnavailable} if the other end does, or is gone. */
  ask: <N extends keyof Theirs & string>(
    name: N,
    ...args: Parameters<Theirs[N]>
  ) => Promise<Awaited<ReturnType<Theirs[N]>>>
  /** As {@link ask}, but wants no answer. */
  tell: <N extends keyof Theirs & string>(name: N, ...args: Parameters<Theirs[N]>) => void
  /** Writes what {@link encode} made. */
  write: (frame: Buffer) => void
  /** Bytes that the other end has not read. */
  readonly waiting: number
}

export interface PeerParts<Ours> {
  /** Our functions. */
  offers: Ours
  /** The other end is gone. */
  closed: () => void
  /** Called when anything arrives. */
  heard: () => void
  failed: ReportFailure
}

type Frame = readonly [id: number, name: string, ...args: unknown[]]

interface Asked {
  resolve: (value: never) => void
  reject: (error: Error) => void
}

/** The id of a frame that wants no answer. */
const UNASKED = 0

export function createPeer<Ours extends Offers<Ours>, Theirs extends Offers<Theirs>>(
  pipe: Duplex,
  { offers, closed, heard, failed }: PeerParts<Ours>,
): Peer<Theirs> {
  const waiting = new Map<number, Asked>()
  const functions = offers as unknown as Readonly<Record<string, (...args: unknown[]) => Soon<unknown>>>
  let last = UNASKED
  let isCorked = false

  /** What one turn of the event loop says leaves in one write. */
  const write = (frame: Buffer) => {
    if (pipe.destroyed) return
    if (!isCorked) {
      isCorked = true
      pipe.cork()
      process.nextTick(() => {
        isCorked = false
        pipe.uncork()
      })
    }
    pipe.write(frame)
  }
  const answer = (id: number, outcome: string, value: unknown) => {
    if (id !== UNASKED) write(encode([-id, outcome, value]))
  }
  const refuse = (id: number, error: unknown) => {
    if (error instanceof BrokerUnavailable) return answer(id, 'away', error.message)
    failed(error)
    answer(id, 'failed', String(error))
  }

  function obey([id, name, ...args]: Frame): void {
    try {
      const done = functions[name]!(...args)
      if (!(done instanceof Promise)) return answer(id, 'answer', done)
      done.then(
        value => answer(id, 'answer', value),
        error => refuse(id, error),
      )
    } catch (error) {
      refuse(id, error)
    }
  }

  function take(frame: Frame): void {
    heard()
    const [id, outcome, value] = frame
    if (id >= UNASKED) return obey(frame)
    const asked = waiting.get(-id)!
    waiting.delete(-id)
    if (outcome === 'answer') asked.resolve(value as never)
    else asked.reject(outcome === 'away' ? new BrokerUnavailable(value as string) : new Error(value as string))
  }

  pipe.on('data', createReader(take))
  pipe.on('error', () => {}) // (then it closes)
  pipe.on('close', () => {
    for (const { reject } of waiting.values()) reject(new BrokerUnavailable('the other process is gone'))
    waiting.clear()
    closed()
  })

  return {
    ask: (name, ...args) =>
      new Promise((resolve, reject) => {
        if (pipe.destroyed) return reject(new BrokerUnavailable('the other process is gone'))
        waiting.set(++last, { resolve, reject })
        write(encode([last, name, ...args]))
      }),
    tell: (name, ...args) => write(encodeTold(name, args)),
    write,
    get waiting() {
      return pipe.writableLength
    },
  }
}

/** Encodes a call that wants no answer, for several peers. */
export const encodeTold = (name: string, args: readonly unknown[]): Buffer => encode([UNASKED, name, ...args])

const HEAD = 4

function encode(frame: Frame): Buffer {
  const body = serialize(frame)
  const bytes = Buffer.allocUnsafe(HEAD + body.length)
  bytes.writeUInt32LE(body.length)
  body.copy(bytes, HEAD)
  return bytes
}

/** Returns a function that takes the pipe's bytes, and passes each frame once it is whole. */
function createReader(take: (frame: Frame) => void): (bytes: Buffer) => void {
  let parts: Buffer[] = []
  let length = 0
  let needed = HEAD
  return bytes => {
    parts.push(bytes)
    length += bytes.length
    if (length < needed) return
    let left = parts.length === 1 ? bytes : Buffer.concat(parts)
    for (;;) {
      needed = left.length < HEAD ? HEAD : HEAD + left.readUInt32LE()
      if (left.length < needed) break
      const frame = left.subarray(HEAD, needed)
      left = left.subarray(needed)
      take(deserialize(frame))
    }
    parts = [left]
    length = left.length
  }
}
