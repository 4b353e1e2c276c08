/**
 * RPC over gRPC: the gem `anycable`, or any other server of rpc.proto.
 *
 *   --rpc_host   localhost:50051                 one name, or one address
 *                dns:///app.internal:50051       every address of the name, in turn; looked up again when one goes away
 *                grpc-list://a:50051,b:50051     several names, in turn
 *
 * The only file that imports @grpc/grpc-js, and it is loaded when a gRPC server is configured. The library connects again; it
 * repeats no call. The caller does: limits, retries and the breaker stand in front of every transport.
 */
import {
  type ChannelOptions,
  Client,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  logVerbosity,
  Metadata,
  type ServiceError,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js'
import {
  type Call,
  type Controller,
  PROTOCOL_VERSION,
  RpcFailed,
  type RpcFailure,
  STATUS,
  type Status,
} from './controller.ts'
import { grpcTargets } from './grpc-targets.ts'
import { MESSAGES } from './messages.ts'
import { decode, encode, type Fields } from './protobuf.ts'

export interface GrpcOptions {
  /** As in --rpc_host. */
  host: string
  /** Absent without TLS. */
  tls?: {
    /** PEM; absent: the authorities that Node trusts. */
    rootCa?: string
    /** Whether the certificate must be of a trusted authority, and for the host. */
    verify: boolean
  }
  /** Bytes of one answer. */
  maxReceiveSize: number
  /** Bytes of one request. */
  maxSendSize: number
}

/** As AnyCable's; its gem allows no pings that are more frequent. */
const KEEPALIVE_MS = 10_000
/** A server that is back must be found within a call's retries. */
const RECONNECT_MS = { first: 50, most: 1_000 }

export function createGrpcController({ host, tls, maxReceiveSize, maxSendSize }: GrpcOptions): Controller {
  // It would write to stderr what every failed call says anyway.
  setLogVerbosity(logVerbosity.NONE)
  const secured = tls
    ? credentials.createSsl(tls.rootCa === undefined ? null : Buffer.from(tls.rootCa), null, null, {
        rejectUnauthorized: tls.verify,
        ...(tls.verify ? {} : { checkServerIdentity: () => undefined }),
      })
    : credentials.createInsecure()
  const options: ChannelOptions = {
    'grpc.service_config': '{"loadBalancingConfig":[{"round_robin":{}}]}',
    'grpc.service_config_disable_resolution': 1,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.first,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS.most,
    'grpc.dns_min_time_between_resolutions_ms': RECONNECT_MS.most,
    'grpc.max_receive_message_length': maxReceiveSize,
    'grpc.max_send_message_length': maxSendSize,
    // Settings come from flags and variables with our names only.
    'grpc.enable_http_proxy': 0,
    // `close` closes the connections of this controller.
    'grpc.use_local_subchannel_pool': 1,
  }
  const clients = grpcTargets(host).map(target => new Client(target, secured, options))
  let turn = 0
  const next = (): Client => {
    turn = (turn + 1) % clients.length
    const inTurn = [...clients.slice(turn), ...clients.slice(0, turn)]
    return inTurn.find(isUsable) ?? inTurn[0]!
  }

  async function call<Answer extends { readonly status: number }>(
    method: string,
    fields: Fields,
    request: object,
    answerFields: Fields,
    options: Call,
  ): Promise<Answer> {
    const bytes = await send(next(), `/anycable.RPC/${method}`, encode(fields, request), options)
    const answer = read(answerFields, bytes) as Answer
    if (!isStatus(answer.status)) throw new RpcFailed('malformed', `status ${answer.status}`)
    return answer
  }

  return {
    connect: (request, options) =>
      call('Connect', MESSAGES.ConnectionRequest, request, MESSAGES.ConnectionResponse, options),
    command: (request, options) => call('Command', MESSAGES.CommandMessage, request, MESSAGES.CommandResponse, options),
    disconnect: (request, options) =>
      call('Disconnect', MESSAGES.DisconnectRequest, request, MESSAGES.DisconnectResponse, options),
    close() {
      for (const client of clients) client.close()
    },
  }
}

/** Asks it to connect, too. */
const isUsable = (client: Client) =>
  client.getChannel().getConnectivityState(true) !== connectivityState.TRANSIENT_FAILURE

function send(client: Client, path: string, bytes: Buffer, { sid, signal, timeoutMs }: Call): Promise<Buffer> {
  const metadata = new Metadata()
  metadata.set('sid', sid)
  metadata.set('protov', PROTOCOL_VERSION)
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new RpcFailed('canceled'))
    const cancel = () => call.cancel()
    const call: ClientUnaryCall = client.makeUnaryRequest<Buffer, Buffer>(
      path,
      same,
      same,
      bytes,
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => {
        signal.removeEventListener('abort', cancel)
        if (error) reject(signal.aborted ? new RpcFailed('canceled') : failed(error))
        else resolve(answer!)
      },
    )
    signal.addEventListener('abort', cancel)
  })
}

const same = (bytes: Buffer) => bytes

function read(fields: Fields, bytes: Buffer): Record<string, unknown> {
  try {
    return decode(fields, bytes)
  } catch (cause) {
    throw new RpcFailed('malformed', (cause as Error).message, { cause })
  }
}

const isStatus = (value: number): value is Status => Object.values<number>(STATUS).includes(value)

/** What is not here means that the server failed: another call may succeed. */
const FAILURES: Partial<Record<status, RpcFailure>> = {
  [status.UNAVAILABLE]: 'unavailable',
  // The server, or a proxy, ended the call: it may be about to restart.
  [status.CANCELLED]: 'unavailable',
  [status.RESOURCE_EXHAUSTED]: 'exhausted',
  [status.DEADLINE_EXCEEDED]: 'timed_out',
  [status.UNAUTHENTICATED]: 'unauthorized',
  [status.PERMISSION_DENIED]: 'unauthorized',
  // The same call would get the same answer.
  [status.INVALID_ARGUMENT]: 'refused',
  [status.UNIMPLEMENTED]: 'refused',
  // A broken stream, or no gRPC at all.
  [status.INTERNAL]: 'malformed',
}

function failed(error: ServiceError): RpcFailed {
  // The library's own word for a message beyond our limits; the same call would be as large again.
  const isTooLarge = error.code === status.RESOURCE_EXHAUSTED && / larger than /.test(error.details)
  const code = isTooLarge ? 'malformed' : (FAILURES[error.code] ?? 'failed')
  return new RpcFailed(code, `${status[error.code] ?? error.code}: ${error.details}`, { cause: error })
}
