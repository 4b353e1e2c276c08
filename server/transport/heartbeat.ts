/**
 * Pings: all sessions in a slot get the same frame.
 *
 * Clients give up after two missed pings, so we keep an interval exactly. The first ping comes one interval after the
 * welcome. A client may ask for an interval and a precision (?pi=, ?ptp=); each combination in use has a wheel.
 */
import { type ReportFailure, tryEach } from '../base/failure.ts'
import { ping } from '../protocol/action-cable.ts'
import type { Beat, Rhythm, Slot } from '../session/session-listener.ts'
import { Wheel } from './wheel.ts'

/** The longest a client may ask for: each interval is a timer. */
const LONGEST_S = 60

export class Heartbeat {
  readonly #wheels = new Map<string, Wheel<Beat>>()
  readonly #wall: () => number
  readonly #failed: ReportFailure

  /** `wall` is Unix time in ms. */
  constructor(wall: () => number, failed: ReportFailure) {
    this.#wall = wall
    this.#failed = failed
  }

  /** Pings until the caller deletes `beat` from the slot. Returns `undefined` if the client wants no pings. */
  add(beat: Beat, { interval, precision }: Rhythm): Slot<Beat> | undefined {
    if (interval === 0) return undefined
    const seconds = Math.min(interval, LONGEST_S)
    const key = `${seconds}${precision}`
    let wheel = this.#wheels.get(key)
    if (wheel === undefined) {
      const beat = (beats: Iterable<Beat>) => {
        const frame = ping(this.#wall(), precision)
        tryEach(beats, one => one.beat(frame), this.#failed)
      }
      wheel = new Wheel(seconds * 1000, beat, this.#failed)
      this.#wheels.set(key, wheel)
    }
    return wheel.add(beat)
  }

  stop(): void {
    for (const wheel of this.#wheels.values()) wheel.stop()
  }
}
