/**
 * Between a connection and its session: pings, pongs and the end of the token. An exception of the session ends the session.
 */
import type { ConnectionListener, Outcome } from '../hub/connection.ts'
import type { Metrics } from '../metrics.ts'
import type { PingPrecision } from '../protocol/action-cable.ts'
import type { Snapshot } from './resumables.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** The parts that all listeners share. */
export interface ListenerParts {
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly monotonic: () => number
}

/** Sends pings to its client. */
export interface Beat {
  beat: (frame: Buffer) => void
}

export interface Rhythm {
  /** Seconds; 0: no pings. */
  readonly interval: number
  readonly precision: PingPrecision
}

/** The place of an item in a rhythm; delete the item to stop it. */
export interface Slot<T> {
  delete: (item: T) => boolean
}

/** Detects a client that does not answer pings. */
export interface PongWatch {
  pinged: () => void
  heard: () => void
  stop: () => void
}

/** A class, because closures would cost more memory for each of very many sessions. */
export class SessionListener implements ConnectionListener, Beat {
  readonly session: Session
  readonly #parts: ListenerParts
  pongs: PongWatch | undefined
  pings: Slot<Beat> | undefined
  stopClock: (() => void) | undefined

  constructor(session: Session, parts: ListenerParts) {
    this.session = session
    this.#parts = parts
  }

  /** Welcomes the client. `resumed`: the lost session that it resumes. */
  begin(resumed: Snapshot | undefined, transmissions?: readonly string[]): void {
    try {
      this.session.begin(resumed, transmissions)
    } catch (error) {
      this.session.fail(error)
    }
  }

  message(text: string | undefined): Outcome {
    try {
      const { metrics, monotonic } = this.#parts
      metrics.client_msg_total++
      this.pongs?.heard()
      const started = monotonic()
      const outcome = this.session.receive(text)
      metrics.commandTook(monotonic() - started)
      return outcome
    } catch (error) {
      this.session.fail(error)
      return 'done'
    }
  }

  heard(): void {
    try {
      this.session.heard()
    } catch (error) {
      this.session.fail(error)
    }
  }

  drained(): void {
    try {
      this.session.drained()
    } catch (error) {
      this.session.fail(error)
    }
  }

  tooSlow(): void {
    this.#parts.metrics.disconnected_slow_clients_total++
    this.session.disconnect('too_slow')
  }

  flooded(): void {
    this.session.disconnect('malformed_flood')
  }

  beat(ping: Buffer): void {
    try {
      this.session.connection.ping(ping)
      this.pongs?.pinged()
    } catch (error) {
      this.session.fail(error)
    }
  }

  closed(): void {
    try {
      this.pings?.delete(this)
      this.pongs?.stop()
      this.stopClock?.()
      this.session.left(() => this.#parts.sessions.lost(this.session))
    } catch (error) {
      this.session.fail(error)
    }
  }
}
