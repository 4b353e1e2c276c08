/**
 * Sessions that their clients may resume: those that have lost their connection.
 *
 * A sid is a credential only together with a token of the same identity, and only once: a client cannot resume a session
 * that was resumed before or disconnected on purpose.
 *
 * Several nodes may share a store. Then it also has the connected sessions (`connected`), because a client often comes back
 * to another node before the first one notices. A store takes the calls of one node in their order.
 */
import type { Soon } from '../base/soon.ts'
import type { Position } from '../protocol/position.ts'
import type { State } from '../rpc/controller.ts'
import type { Owner } from './identity.ts'

export interface Snapshot {
  readonly identity: string
  /** Whether its sid is its only identity (--noauth). */
  readonly anonymous: boolean
  /** Its sid, then those of the sessions that it resumed. */
  readonly sids: readonly string[]
  readonly identifiers: readonly string[]
  /** The client has all messages up to here, and may have missed later ones. `gap`: it may have missed any. */
  readonly position: Position | 'gap' | undefined
  /** What the application knows about it; `undefined`: the cable asks no application. */
  readonly app?: AppSnapshot | undefined
}

export interface AppSnapshot {
  readonly cstate: State
  readonly isKnown: boolean
  /** Those of the subscriptions that it granted, which are also in `identifiers`. */
  readonly grants: readonly (readonly [identifier: string, streams: readonly string[], istate: State])[]
}

/** Each method may reject BrokerUnavailable. */
export interface Resumables {
  /** Stores a session that lost its connection. A store that nodes share does so only if it still has the session. */
  keep: (snapshot: Snapshot) => Soon<void>
  /** Removes and returns the session of that sid; `undefined` unless it is the caller's. */
  take: (sid: string, caller: Owner) => Soon<Snapshot | undefined>
  /** Forgets all sessions of an identity that is disconnected on purpose. */
  forget: (identity: string) => Soon<void>
  /** `undefined`: this node has its sessions for itself. */
  readonly connected?: {
    /** Changes of a session within this time are stored together, in ms. */
    readonly batchMs: number
    /** Stores a session whose client was welcomed. */
    add: (snapshot: Snapshot) => Soon<void>
    /** Stores the present state of a session, if the store still has it. */
    update: (snapshot: Snapshot) => Soon<void>
    /** Forgets a session that ended on purpose. */
    delete: (sid: string) => Soon<void>
  }
}
