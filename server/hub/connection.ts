/**
 * The connection between a client and its session, over any transport.
 */
import type { EndingCode } from '../errors.ts'
import type { Addressee, Subscriber } from './hub.ts'

/** One client, as its session sees it. */
export interface Connection extends Subscriber {
  /** The agreed subprotocol; empty for none. */
  readonly protocol: string
  /** Whether frames still reach the client. Its last commands may be executed later. */
  readonly isOpen: boolean
  /** Sends a complete WebSocket frame. Does nothing once the connection is closing. */
  send: (frame: Buffer) => void
  /** Sends a message that an application wrote: JSON, as a rule, with its keys in any order. */
  transmit: (text: string) => void
  /** Set by the session. */
  session: Addressee | undefined
  /** Sends a ping, unless the write queue is long: a client that is receiving data knows we are alive. */
  ping: (frame: Buffer) => void
  /**
   * Whether `size` more bytes should wait, because the write queue is long; if so, calls `ConnectionListener.drained` when the
   * client has read some. Never true while the queue is empty and the connection is open.
   */
  congested: (size: number) => boolean
  /** Bytes that wait to be written. */
  pending: () => number
  /** Lets further messages of the client wait, or hands them out. */
  hold: (isHeld: boolean) => void
  /** Closes with the ending's code, after it has sent everything before. */
  close: (code: EndingCode) => void
}

/** A client whose admission waits. */
export interface WaitingClient {
  /** Never rejects. `undefined`: it was refused, and the connection is closing; or it left. */
  readonly answer: Promise<ConnectionListener | undefined>
  /** The client has left. */
  closed: () => void
}

/** How a message was handled: `free` does not count for the client's rate, `malformed` is not a command. */
export type Outcome = 'done' | 'free' | 'malformed'

/** The events of a connection. */
export interface ConnectionListener {
  /** `undefined`: the message is not text. */
  message: (text: string | undefined) => Outcome
  /** The client lives: it answered a probe. */
  heard: () => void
  drained: () => void
  /** The client reads too slowly: more than `maxPendingSize` waits for it. Once. */
  tooSlow: () => void
  /** The client sends too many messages that are not commands. */
  flooded: () => void
  /** The connection is closed. Once. */
  closed: () => void
}
