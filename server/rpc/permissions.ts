/**
 * Permissions that end at a time, by identity and stream: the app need not answer the same question again before.
 *
 * Bounded in bytes. The cable asks again for what it had to drop.
 */
import { sizeOf } from '../base/size.ts'

/** Bytes that an identity takes beside its text, and a stream beside its name: upper estimates. */
const OVERHEAD = 300
const OVERHEAD_OF_STREAM = 120

export class Permissions {
  readonly #maxBytes: number
  /** identity ─▶ stream ─▶ Unix time in seconds. */
  readonly #untils = new Map<string, Map<string, number>>()
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Returns the end of a permission that has not ended. */
  until(identity: string, stream: string, nowSeconds: number): number | undefined {
    const until = this.#untils.get(identity)?.get(stream)
    if (until === undefined || until > nowSeconds) return until
    this.delete(identity, stream)
    return undefined
  }

  set(identity: string, stream: string, until: number): void {
    this.delete(identity, stream)
    let streams = this.#untils.get(identity)
    if (streams === undefined) {
      streams = new Map()
      this.#untils.set(identity, streams)
      this.#bytes += OVERHEAD + sizeOf(identity)
    }
    streams.set(stream, until)
    this.#bytes += OVERHEAD_OF_STREAM + sizeOf(stream)
    for (const oldest of this.#untils.keys()) {
      if (this.#bytes <= this.#maxBytes) return
      this.forget(oldest)
    }
  }

  delete(identity: string, stream: string): void {
    const streams = this.#untils.get(identity)
    if (!streams?.delete(stream)) return
    this.#bytes -= OVERHEAD_OF_STREAM + sizeOf(stream)
    if (streams.size === 0) this.forget(identity)
  }

  /** Forgets all permissions of an identity. */
  forget(identity: string): void {
    const streams = this.#untils.get(identity)
    if (streams === undefined) return
    this.#untils.delete(identity)
    this.#bytes -= OVERHEAD + sizeOf(identity)
    for (const stream of streams.keys()) this.#bytes -= OVERHEAD_OF_STREAM + sizeOf(stream)
  }

  /** Drops what has ended. */
  expire(nowSeconds: number): void {
    for (const [identity, streams] of this.#untils)
      for (const [stream, until] of streams) if (until <= nowSeconds) this.delete(identity, stream)
  }
}
