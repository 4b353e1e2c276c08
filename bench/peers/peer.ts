/**
 * What the bench asks of a server that it measures.
 */
import type { ClientRecord } from '../generator.ts'
import type { Program } from '../process.ts'

export interface Peer {
  readonly name: string
  /** Why it is not measured here; `undefined`: it is. */
  readonly absent?: string | undefined
  start: () => Promise<Target>
}

/** A server that runs. */
export interface Target {
  readonly program: Program
  /** Where clients connect, and where backends POST. */
  readonly port: number
  readonly postPort: number
  /** Parts of what a client is told: that it may speak, and that it listens. Empty: nothing is said. */
  readonly greeting?: string
  readonly confirmation?: string
  clients: (count: number, options?: ClientOptions) => Promise<ClientRecord[]>
  /** A POST of a message; `bytes`: its size on the wire, where the server does not frame it as we do. */
  post: (stream: string, message: Message) => Buffer
}

export interface ClientOptions {
  /** What client n listens to. */
  stream?: (n: number) => string
  group?: (n: number) => number
  /** Each has an identifier of its own, as each page has its own position. */
  distinct?: boolean
}

export interface Message {
  html: string
  /** Size of a frame's payload, for servers that send what they are given. */
  bytes: number
}

export const STREAM = 'board/1'
