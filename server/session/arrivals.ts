/**
 * Arrivals: clients whose admission waits, because the app or another node answers later.
 *
 *   handshake ─▶ arrival ─▶ session
 *
 * An arrival is no session yet: its commands wait in its transport. A remote disconnect, a shutdown, its deadline or its
 * client may end it; an answer that comes after that is ignored.
 */
import { SessionRefused } from '../errors.ts'

/** Time for all answers that an admission needs. */
const ANSWER_MS = 5_000

interface Arrival {
  /** `undefined`: the app has not answered yet. */
  identity: string | undefined
  /** The disconnects of identities while this one's was unknown: identity ─▶ whether to reconnect. */
  missed: Map<string, boolean> | undefined
  /** Ends its wait. */
  readonly end: (reason: SessionRefused | 'left') => void
}

export interface ArrivalParts {
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
}

export class Arrivals {
  readonly #parts: ArrivalParts
  /** By sid. */
  readonly #waiting = new Map<string, Arrival>()

  constructor(parts: ArrivalParts) {
    this.#parts = parts
  }

  get count(): number {
    return this.#waiting.size
  }

  /**
   * Resolves and rejects as the answer does. If the arrival ends earlier, it rejects with the {@link SessionRefused}, or
   * resolves with `left`.
   */
  wait<T>(sid: string, identity: string | undefined, answer: Promise<T>): Promise<T | 'left'> {
    const { promise, resolve, reject } = Promise.withResolvers<T | 'left'>()
    const end = (reason: SessionRefused | 'left') => {
      this.#waiting.delete(sid)
      if (reason === 'left') resolve(reason)
      else reject(reason)
    }
    this.#waiting.set(sid, { identity, missed: undefined, end })
    const cancel = this.#parts.later(ANSWER_MS, () => end(new SessionRefused('admission_timeout')))
    answer.then(resolve, reject)
    return promise.finally(() => {
      cancel()
      this.#waiting.delete(sid)
    })
  }

  /** Notes the identity, once the app has answered. Throws if the arrival has ended, or the identity was disconnected. */
  identify(sid: string, identity: string): void {
    const arrival = this.#waiting.get(sid)
    if (arrival === undefined) throw new Error('the arrival has ended')
    const reconnect = arrival.missed?.get(identity)
    if (reconnect !== undefined) throw new SessionRefused('remote', { reconnect })
    arrival.identity = identity
  }

  /** Whether its client still waits. */
  has(sid: string): boolean {
    return this.#waiting.has(sid)
  }

  /** The arrival becomes a session. Returns false if it has ended. */
  admit(sid: string): boolean {
    return this.#waiting.delete(sid)
  }

  /** The client has left. */
  leave(sid: string): void {
    this.#waiting.get(sid)?.end('left')
  }

  /** Ends all arrivals of the identity, also those that prove to have it later. Returns how many it ended now. */
  disconnect(identity: string, reconnect: boolean): number {
    let ended = 0
    for (const arrival of this.#waiting.values()) {
      if (arrival.identity === undefined) {
        arrival.missed ??= new Map()
        arrival.missed.set(identity, reconnect)
      } else if (arrival.identity === identity) {
        ended++
        arrival.end(new SessionRefused('remote', { reconnect }))
      }
    }
    return ended
  }

  /** Ends one arrival. Returns how many it ended. */
  disconnectOne(sid: string, reconnect: boolean): number {
    const arrival = this.#waiting.get(sid)
    arrival?.end(new SessionRefused('remote', { reconnect }))
    return arrival === undefined ? 0 : 1
  }

  /** Ends up to `most` arrivals, because the cable stops. Returns how many it ended. */
  stopSome(most: number): number {
    let ended = 0
    for (const arrival of this.#waiting.values()) {
      if (ended >= most) break
      ended++
      arrival.end(new SessionRefused('server_restart'))
    }
    return ended
  }
}
