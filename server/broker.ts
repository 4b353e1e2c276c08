/**
 * The broker: the one seam for more than one process. It stores each publication and tells every node that listens.
 *
 *   backend ─▶ publish ─▶ broker ─▶ feed ─▶ hub ─▶ sessions
 *
 * `publish` never delivers: every message, also one of our own backends, reaches the hub by the feed, in the feed's order.
 * A broker in this process answers at once, without a promise; a remote one answers later.
 */
import type { ReportFailure } from './base/failure.ts'
import type { Soon } from './base/soon.ts'
import type { Position } from './protocol/position.ts'
import type { Publication } from './protocol/publication.ts'

/** A message in the history. */
export interface Entry {
  readonly stream: string
  readonly offset: number
  /** JSON text. */
  readonly message: string
  /** The session that must not get it, in replays as well. */
  readonly exclude: string | undefined
  /** Becomes the frame's `type`, in replays as well. */
  readonly type: string | undefined
}

/** A message that the history does not hold: a transient broadcast, a whisper, an event of presence. */
export interface Live {
  /** JSON text. */
  readonly message: string
  readonly exclude?: string | undefined
  /** Becomes the frame's `type`. */
  readonly type?: string | undefined
  /** A client made it: it must not reach a page as HTML. */
  readonly fromClient: boolean
}

/** Ends all sessions of an identity, or one session. */
export type Disconnect = { readonly reconnect: boolean } & ({ readonly identity: string } | { readonly sid: string })

/** A client has resumed this sid: a node that still has the session ends it, and keeps nothing. */
export interface TakeOver {
  readonly takenOver: string
}

/** An order to every node, which no broker stores. */
export type Signal = Disconnect | TakeOver

export interface Told {
  /** How many nodes it told. */
  readonly told: number
}

/** A publication that the broker did not take when it was asked. */
export type Lost = Pick<Publication, 'stream' | 'id'>

/** The messages from a broker to this node. */
export interface Feed {
  /** Offsets rise. */
  entry: (entry: Entry) => void
  live: (stream: string, live: Live) => void
  /** Returns how many sessions of this node it ended. */
  signal: (signal: Signal) => number
  /** Messages of these streams, or of all, may be missing. */
  gap: (streams: readonly string[] | 'all') => void
}

/** Each method may reject {@link BrokerUnavailable}. It does so, too, if the epoch changes before its answer is here. */
export interface Broker {
  /**
   * One life of the broker: a position of another epoch is a gap. Empty: it keeps no history. It changes only together with
   * the feed's `gap('all')`, after all messages of the epoch before.
   */
  readonly epoch: string
  /** The newest offset that the feed has delivered. */
  readonly seen: number
  /** Whether it answers, as far as this node knows. */
  readonly well: boolean
  /** How many nodes share it, as far as this one knows. `undefined`: it belongs to this process, or to its primary. */
  readonly nodes?: number
  /** Returns the position of a page that is rendered now. Changes nothing. */
  position: () => Soon<Position>
  /**
   * Takes all publications, or none. Returns those that it published: it skips ids that it took before. A `key` removes older
   * messages of the stream from the history, at once with the new one: those with the same key and, if the new one has an
   * `exclude`, with the same one. No position becomes a gap by that.
   */
  publish: (publications: readonly Publication[]) => Soon<readonly Publication[]>
  /** Returns the messages after the position, the oldest first; `gap` if some of them are gone. */
  after: (stream: string, from: Position) => Soon<readonly Entry[] | 'gap'>
  /** Returns the messages since a time, Unix seconds, inclusive, as far as it keeps them. */
  since: (stream: string, seconds: number) => Soon<readonly Entry[]>
  /**
   * Begins to send this node the messages of a stream, also over reconnects and new epochs, until {@link unlisten}. Returns
   * an offset: the feed has every later message of the stream. `undefined`: the feed has all streams.
   */
  listen?: (stream: string) => Soon<number>
  /** Takes effect after every earlier `listen`, and before every later one. */
  unlisten?: (stream: string) => void
  /** Tells the nodes that listen to the stream. */
  tell: (stream: string, live: Live) => Soon<void>
  /** Tells every node. Returns how many sessions it ended, of all nodes, if it can know that. */
  signal: (signal: Signal) => Soon<number | Told>
  /**
   * Makes every position so far a gap, of the streams of these publications or of all, and tells every node. It skips a
   * publication whose id it took.
   */
  forget: (lost: readonly Lost[] | 'all') => Soon<void>
  /** Begins the feed. Rejects {@link BrokerRefused}. */
  start: (to: Feed) => Soon<void>
  /** Ends the feed, after what was asked. `undefined`: there is nothing to end. */
  stop?: () => Soon<void>
}

/** The broker is away, and took nothing: a backend tries again later, and a replay waits. */
export class BrokerUnavailable extends Error {
  override readonly name = 'BrokerUnavailable'
}

/** The broker is not fit for its work, as the message says. The cable must not start. */
export class BrokerRefused extends Error {
  override readonly name = 'BrokerRefused'
}

/** Reports the failure of an answer for which nothing waits, unless the broker is away. */
export function unawaited(answer: Soon<unknown>, failed: ReportFailure): void {
  if (!(answer instanceof Promise)) return
  answer.catch(error => {
    if (!(error instanceof BrokerUnavailable)) failed(error)
  })
}
