/**
 * A server that the bench measures.
 */
import type { ClientRecord } from '../generator.ts'
import type { MeasuredProgram } from '../process.ts'

export interface Peer {
  readonly name: string
  /** Why it cannot be measured here; `undefined`: it can. */
  readonly absent?: string | undefined
  start: () => Promise<Target>
}

/** A server that runs. */
export interface Target {
  readonly program: MeasuredProgram
  /** Where clients connect, and where backends POST. */
  readonly port: number
  readonly postPort: number
  /** Parts of two messages: that a client may send, and that it is subscribed. Empty: the server does not send them. */
  readonly greeting?: string
  readonly confirmation?: string
  clients: (count: number, options?: ClientOptions) => Promise<ClientRecord[]>
  /** A POST of a message; `bytes`: its size on the wire, if the server frames it differently. */
  post: (stream: string, message: SampleMessage) => Buffer
}

export interface ClientOptions {
  /** The stream of client n. */
  stream?: (n: number) => string
  group?: (n: number) => number
  /** Each client has a different identifier, as each page has its own position. */
  distinct?: boolean
}

export interface SampleMessage {
  html: string
  /** Size of a frame's payload, for servers that send a message unchanged. */
  bytes: number
}

export const STREAM = 'board/1'
