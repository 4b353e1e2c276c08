/**
 * The parts of sessions and subscriptions that healing uses.
 */
import type { Position } from '../protocol/position.ts'

/** The part of a subscription that healing uses. */
export interface Healable {
  readonly identifier: string
  readonly grant: {
    readonly streams: readonly string[]
    readonly kind: 'turbo' | 'html' | 'data'
    /** Whether the page wants to know how it is catching up. */
    readonly events: boolean
    /** The position at which the page was rendered, if it sends one. */
    readonly position: Position | 'unknown' | undefined
  }
  readonly state: 'waiting' | 'following' | 'live' | 'over'
  /** Whether its page has to refresh, or its client has to come back. */
  healing: boolean
}

/** The part of a session that healing uses. */
export interface Patient {
  readonly identity: string
  /** Whether its sid is its only identity (--noauth). */
  readonly anonymous: boolean
  /** Whether its client speaks the extended protocol, so that it may resume the session, and asks for history. */
  readonly resumable: boolean
  readonly connection: { send: (frame: Buffer) => void }
  /** Disconnects the client, so that it connects again and asks for its history. */
  askBack: () => void
  fail: (error: unknown) => void
}

/** All sessions without a token share one line, so that a client cannot get many turns by opening many sessions. */
const ANONYMOUS = ''

/** Returns the session's owner for the pace. */
export const ownerOf = ({ anonymous, identity }: Patient): string => (anonymous ? ANONYMOUS : identity)

/** (A session that ends also ends its subscriptions.) */
export const isWanted = ({ state }: Healable): boolean => state !== 'over'
