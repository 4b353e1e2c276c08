/**
 * The event of a large message. We make it once for all clients that get the same event in a turn: it takes time to make,
 * and each slow reader would hold a copy.
 */

import type { Turn } from '../hub/turn.ts'
import { type Format, formatEvent } from '../protocol/event.ts'
import { payloadsOf } from '../protocol/frame.ts'

export class LargeEvents {
  readonly #turn: Turn
  #last: { frames: Buffer; format: Format; event: Buffer } | undefined

  constructor(turn: Turn) {
    this.#turn = turn
  }

  /** As in hub.ts, `frames` continue in `rest`. Clients that share an identifier get the same `frames`. */
  eventOf(frames: Buffer, rest: Buffer, format: Format): Buffer {
    const last = this.#last
    if (last?.frames === frames && isSame(last.format, format)) return last.event
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

const isSame = (one: Format, other: Format): boolean =>
  one.raw === other.raw && one.unwrapped === other.unwrapped && one.withoutIds === other.withoutIds
