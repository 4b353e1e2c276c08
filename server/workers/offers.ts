/** What the primary and a worker ask and tell each other. */
import type { Soon } from '../base/soon.ts'
import type { Entry, Live, Lost, Signal } from '../broker.ts'
import type { ClosedCode } from '../errors.ts'
import type { Attendance } from '../presence/presence.ts'
import type { Position } from '../protocol/position.ts'
import type { Publication } from '../protocol/publication.ts'
import type { Owner } from '../session/identity.ts'
import type { Snapshot } from '../session/resumables.ts'
import type { OwnNumbers } from './numbers.ts'

/** The answer of the history. Its entries may have more fields than an Entry. */
export type Found = readonly Entry[] | 'gap'

/** What the primary does for a worker. */
export interface PrimaryOffers {
  position: () => Soon<Position>
  /** Returns, for each publication, whether the broker published it. */
  publish: (publications: readonly Publication[]) => Soon<readonly boolean[]>
  after: (stream: string, from: Position) => Soon<Found>
  since: (stream: string, seconds: number) => Soon<readonly Entry[]>
  listen: (stream: string) => Soon<number>
  unlisten: (stream: string) => void
  live: (stream: string, live: Live) => void
  signal: (signal: Signal) => Soon<number>
  forget: (lost: readonly Lost[] | 'all') => Soon<void>
  join: (stream: string, sid: string, id: string, info: string | undefined) => Soon<'joined' | 'mismatch'>
  leave: (stream: string, sid: string) => void
  lost: (sid: string) => void
  present: (stream: string, maxBytes: number | undefined) => Soon<Attendance>
  addSession: (snapshot: Snapshot) => void
  updateSession: (snapshot: Snapshot) => void
  keepSession: (snapshot: Snapshot) => void
  deleteSession: (sid: string) => void
  takeSession: (sid: string, caller: Owner) => Soon<Snapshot | undefined>
  forgetSessions: (identity: string) => void
  /** Asks for a turn in the pace of refreshes; the number names it. */
  wantTurn: (turn: number, owner: string) => void
  leaveTurn: (turn: number) => void
  /** The numbers of all processes: as /api/stats, /api/streams and the metrics show them. */
  stats: () => Promise<object>
  streams: () => Promise<readonly (readonly [stream: string, subscriptions: number])[]>
  metrics: () => Promise<string>
  /** The worker has clients' connections. */
  listening: (urls: Urls) => void
  /** The worker cannot serve clients. */
  cannotListen: (why: ListenError) => void
  /** Answers a tick. */
  alive: () => void
}

export interface Urls {
  readonly cable: string
  readonly broadcast: string
  readonly api: string
  readonly metrics: string | undefined
}

/** What is left of an Error on its way through the pipe. */
export interface ListenError {
  readonly message: string
  readonly code: string | undefined
  readonly port: number | undefined
}

/** The state of the primary, which it tells each worker once a second. */
export interface PrimaryState {
  readonly epoch: string
  /** The newest offset. The worker has all messages up to there, of the streams to which it listens. */
  readonly seen: number
  /** Why the cable refuses new clients. */
  readonly closed: ClosedCode | undefined
  readonly conditions: readonly { readonly says: string; readonly isReady: boolean }[]
}

/** What a worker does for the primary. */
export interface WorkerOffers {
  /** The first message: `worker` is its number, from 1. */
  begin: (worker: number, state: PrimaryState) => void
  tick: (state: PrimaryState) => void
  entry: (entry: Entry) => void
  /** The newest offset: see {@link PrimaryState.seen}. */
  seen: (offset: number) => void
  live: (stream: string, live: Live) => void
  gap: (streams: readonly string[] | 'all', seen: number) => void
  signal: (signal: Signal) => number
  turn: (turn: number) => void
  numbers: () => Promise<OwnNumbers>
  /** Shut down, and end. */
  stop: () => void
}
