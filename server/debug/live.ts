/**
 * The state of a running cable, read from its parts at each request: sessions, streams, the last messages and refusals.
 *
 * It holds shortened sids, and no identifiers, because an identifier holds a whole signed name.
 */
import { nearest } from '../base/nearest.ts'
import type { Hub } from '../hub/hub.ts'
import { formatPosition, type Position } from '../protocol/position.ts'
import type { Session } from '../session/session.ts'
import type { Subscription } from '../session/subscriptions.ts'
import { type Recent, type RecentMessage, type RecentRefusal, SID_SHOWN } from './recent.ts'
import { shorten } from './shorten.ts'

export interface Live {
  /** Unix time in ms. */
  readonly at: number
  /** `-`: the cable keeps no history. */
  readonly position: string
  readonly sessions: { readonly count: number; readonly newest: readonly LiveSession[] }
  readonly streams: { readonly count: number; readonly newest: readonly LiveStream[] }
  /** The newest first. */
  readonly refusals: readonly RecentRefusal[]
}

export interface LiveSession {
  readonly sid: string
  readonly identity: string
  /** Empty: none, as with server-sent events. */
  readonly protocol: string
  /** Bytes that wait to be written. */
  readonly pending: number
  readonly subscriptions: readonly LiveSubscription[]
}

export interface LiveSubscription {
  readonly streams: readonly string[]
  readonly kind: string
  readonly state: string
  /** The position of its page; `undefined`: the page sent none. */
  readonly position: string | undefined
}

export interface LiveStream {
  readonly stream: string
  /** Subscriptions now. */
  readonly listeners: number
  /** A name that has listeners and differs in a few letters, for a stream without listeners. */
  readonly similar: string | undefined
  /** The newest first. */
  readonly messages: readonly RecentMessage[]
}

export interface LiveParts {
  readonly recent: Recent
  readonly sessions: Iterable<Session>
  readonly hub: Pick<Hub, 'listeners'>
  readonly position: () => Position | undefined
  /** Unix time in ms. */
  readonly wall: () => number
}

const MOST = 100
const MOST_SUBSCRIPTIONS = 20
const LONGEST_NAME = 200
/** Bounds of the search for similar names, which takes time: names searched for, names compared with each, and their length. */
const MOST_SEARCHED = 10
const MOST_COMPARED = 200
const LONGEST_COMPARED = 64

export function liveOf({ recent, sessions, hub, position, wall }: LiveParts): Live {
  const all = [...sessions]
  const streams = streamsOf(recent, new Map(hub.listeners()))
  const now = position()
  return {
    at: wall(),
    position: now === undefined ? '-' : formatPosition(now),
    sessions: { count: all.length, newest: all.slice(-MOST).reverse().map(sessionOf) },
    streams: { count: streams.length, newest: streams.slice(0, MOST).map(stream => stream()) },
    refusals: recent.refusals.toReversed(),
  }
}

const sessionOf = ({ sid, identity, connection, subscriptions }: Session): LiveSession => ({
  sid: sid.slice(0, SID_SHOWN),
  identity: shorten(identity),
  protocol: connection.protocol,
  pending: connection.pending(),
  subscriptions: Array.from(subscriptions, subscriptionOf).slice(0, MOST_SUBSCRIPTIONS),
})

const subscriptionOf = ({ grant, state, healing }: Subscription): LiveSubscription => ({
  streams: grant.streams.map(name => shorten(name, LONGEST_NAME)),
  kind: grant.kind,
  state: healing ? 'refreshing' : state,
  position: typeof grant.position === 'object' ? formatPosition(grant.position) : grant.position,
})

/** Streams with messages first, the newest of them at the top. Each is made only if it is shown. */
function streamsOf(recent: Recent, counts: ReadonlyMap<string, number>): (() => LiveStream)[] {
  const names = new Set([...[...recent.messages.keys()].reverse(), ...counts.keys()])
  const heard = [...counts.keys()].filter(({ length }) => length <= LONGEST_COMPARED).slice(0, MOST_COMPARED)
  let compared = 0
  const similarTo = (name: string) =>
    name.length <= LONGEST_COMPARED && compared++ < MOST_SEARCHED ? nearest(name, heard) : undefined
  return Array.from(names, name => () => {
    const listeners = counts.get(name) ?? 0
    return {
      stream: shorten(name, LONGEST_NAME),
      listeners,
      similar: listeners > 0 ? undefined : similarTo(name),
      messages: (recent.messages.get(name) ?? []).toReversed(),
    }
  })
}
