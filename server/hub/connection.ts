/**
 * What lies between a client and its session, whatever carries it.
 */
import type { EndingCode } from '../errors.ts'
import type { Addressee, Subscriber } from './hub.ts'

/** One client, as its session sees it. */
export interface Connection extends Subscriber {
  /** The subprotocol that was agreed on; empty for none. */
  readonly protocol: string
  /** Whether frames still reach the client. Its last commands may be executed later. */
  readonly isOpen: boolean
  /** Takes a complete WebSocket frame. Nothing happens once the connection is closing. */
  send: (frame: Buffer) => void
  /** Whose it is; its session says so. */
  session: Addressee | undefined
  /** Takes a ping, which is let go when much waits to be written: whoever is sent something knows that we live. */
  ping: (frame: Buffer) => void
  /**
   * Whether so much waits to be written that `size` more bytes should wait, too; if so, calls `Listener.drained` when the
   * reader has taken some. Never true while nothing waits and the connection is open.
   */
  congested: (size: number) => boolean
  /** Bytes that wait to be written. */
  pending: () => number
  /** Closes after what was sent, with the ending's code. */
  close: (code: EndingCode) => void
}

/** How a message was handled: `free` does not count for the client's rate, `malformed` is not a command. */
export type Outcome = 'done' | 'free' | 'malformed'

/** What a connection tells. */
export interface Listener {
  /** `undefined`: what came is not text. */
  message: (text: string | undefined) => Outcome
  /** The client lives: it answered a probe. */
  heard: () => void
  drained: () => void
  /** The client reads too slowly: more than `maxPendingSize` waits for it. Once. */
  tooSlow: () => void
  /** The client sends too many messages that are not commands. */
  flooded: () => void
  /** It is over. Once. */
  closed: () => void
}
