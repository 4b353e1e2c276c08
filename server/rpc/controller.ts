/**
 * RPC: what the cable asks an application with Action Cable's channels.
 *
 *   connect      which identity does this client have?
 *   command      subscribe, unsubscribe, message: what do its channels do?
 *   disconnect   this client has gone (which asks nothing)
 *
 * One interface for two transports: HTTP and gRPC. A transport makes one attempt; limits, retries and the circuit breaker stand
 * in front of it, behind the same interface. Requests and responses have the names of AnyCable's rpc.proto, so that a transport
 * sends and returns them as they are.
 */

export const STATUS = { ERROR: 0, SUCCESS: 1, FAILURE: 2 } as const

/** ERROR: the application failed. FAILURE: it refuses the client, or rejects the subscription. */
export type Status = (typeof STATUS)[keyof typeof STATUS]

/** Names and values that the application keeps with a connection, or with a subscription. In an answer, '' deletes a name. */
export type State = Readonly<Record<string, string>>

/** The request of the client that connected. */
export interface Env {
  /** http:// or https://, with the query. */
  readonly url: string
  readonly headers: State
  /** The state of the connection. */
  readonly cstate: State
  /** The state of the subscription; in a {@link DisconnectRequest}: identifier → its state as JSON text. */
  readonly istate: State
}

/** What an answer changes in the states. */
export type EnvResponse = Pick<Env, 'cstate' | 'istate'>

export interface ConnectionRequest {
  readonly env: Env
}

export interface ConnectionResponse {
  readonly status: Status
  /** The identity: JSON text, compared byte for byte. */
  readonly identifiers: string
  /** Messages for the client, verbatim. */
  readonly transmissions: readonly string[]
  readonly error_msg: string
  readonly env: EnvResponse
}

export interface CommandMessage {
  readonly command: 'subscribe' | 'unsubscribe' | 'message'
  readonly identifier: string
  readonly connection_identifiers: string
  /** Of `message`: JSON text. */
  readonly data: string
  readonly env: Env
}

export interface CommandResponse {
  readonly status: Status
  /** Whether to close the connection. */
  readonly disconnect: boolean
  /** Whether to stop all streams of the subscription. Then `stopped_streams` does not count. */
  readonly stop_streams: boolean
  readonly streams: readonly string[]
  readonly stopped_streams: readonly string[]
  /** Messages for the client, verbatim. */
  readonly transmissions: readonly string[]
  readonly error_msg: string
  readonly env: EnvResponse
  /** Something to do with the presence of the subscription. */
  readonly presence: PresenceResponse | undefined
}

export interface PresenceResponse {
  /** `join` or `leave`. */
  readonly type: string
  readonly id: string
  /** JSON text, or any other text. */
  readonly info: string
}

export interface DisconnectRequest {
  readonly identifiers: string
  /** The identifiers of its subscriptions. */
  readonly subscriptions: readonly string[]
  readonly env: Env
}

export interface DisconnectResponse {
  readonly status: Status
  readonly error_msg: string
}

/** About one call, beside its request. */
export interface Call {
  /** Goes out as metadata, with the version of the protocol (`protov`). */
  readonly sid: string
  /** Once it is aborted, the answer has no use: the call rejects with `canceled`. */
  readonly signal: AbortSignal
  /** Then the call rejects with `timed_out`. */
  readonly timeoutMs: number
}

/** Each method rejects with {@link RpcFailed} only. */
export interface Controller {
  connect(request: ConnectionRequest, call: Call): Promise<ConnectionResponse>
  command(request: CommandMessage, call: Call): Promise<CommandResponse>
  disconnect(request: DisconnectRequest, call: Call): Promise<DisconnectResponse>
  /** Closes its connections. Calls that run are aborted by their callers. */
  close(): void
}

/** The version of the protocol, in the metadata of each call. */
export const PROTOCOL_VERSION = 'v1'

const FAILURES = {
  unavailable: 'no connection to the RPC server, or it broke',
  exhausted: 'the RPC server is busy',
  timed_out: 'the RPC server did not answer in time',
  unauthorized: 'the RPC server refuses the key: compare --http_rpc_secret (or --secret) of both',
  refused: 'the RPC server refuses the request',
  failed: 'the RPC server failed',
  malformed: 'the answer of the RPC server is not one of its protocol',
  canceled: 'the client has gone',
} as const

export type RpcFailure = keyof typeof FAILURES

/** The application gave no answer. */
export class RpcFailed extends Error {
  override readonly name = 'RpcFailed'
  readonly code: RpcFailure
  /** `detail` is for the log. */
  constructor(code: RpcFailure, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? FAILURES[code] : `${FAILURES[code]} (${detail})`, options)
    this.code = code
  }

  /** Whether to make the same call again soon. (If its connection broke, the application may have begun it.) */
  get isToRepeat(): boolean {
    return this.code === 'unavailable' || this.code === 'exhausted'
  }
}
