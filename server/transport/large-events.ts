/**
 * The event of a large message, made once for all that are sent the same in a turn: it takes time, and slow readers would
 * each hold a copy.
 */
import { type Format, formatEvent } from '../protocol/event.ts'
import { payloadsOf } from '../protocol/frame.ts'
import type { Turn } from './turn.ts'

export class LargeEvents {
  readonly #turn: Turn
  #last: { frames: Buffer; format: Format; event: Buffer } | undefined

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** As hub.ts hands it over: `frames` go on in `rest`, and then they are the same Buffer only to those that share it. */
  eventOf(frames: Buffer, rest: Buffer, format: Format): Buffer {
    const last = this.#last
    if (last?.frames === frames && last.format.raw === format.raw && last.format.unwrapped === format.unwrapped)
      return last.event
    const payloads = payloadsOf(Buffer.concat([frames, rest]))
    const event = Buffer.from(Array.from(payloads, payload => formatEvent(payload.toString(), format)).join(''))
    if (last === undefined) this.#turn.after(this.#forget)
    this.#last = { frames, format, event }
    return event
  }

  readonly #forget = () => {
    this.#last = undefined
  }
}
