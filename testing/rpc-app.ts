/**
 * For tests: an application with Action Cable's channels, which a cable calls over HTTP or over gRPC. The client writes its script:
 * an answer stands in what the client sends, and the app returns it.
 *
 *   const app = await startRpcApp(t, 'http', { secret })
 *   startCable([`--rpc_host=${app.host}`])
 *   client.subscribe(channel({ streams: ['chat'] }))                     // answers SUCCESS, with the confirmation, and the stream
 *   client.subscribe(channel({ status: 2 }))                             // FAILURE, with the rejection
 *   client.command('message', identifier, act({ transmissions: ['{}'] }))
 *   connect(t, url, { query: visit({ status: 2 }) })
 *   const { request, sid } = await app.called('disconnect')
 *   client.subscribe(channel({ fault: 'unavailable', times: 2 }))         // answers 503 twice, and then the confirmation
 *   app.before = () => 'drop'                                            // the connection breaks instead
 *
 * Without a script it welcomes and confirms, as the gem does.
 */
import type { TestContext } from 'node:test'
import { listenHttp } from './rpc-http.ts'
import {
  type Answer,
  type Fault,
  type Handle,
  type Listen,
  type Method,
  type RpcCall,
  type RpcOptions,
  scripted,
} from './rpc-script.ts'

export interface RpcApp {
  /** For --rpc_host. */
  readonly host: string
  readonly port: number
  readonly calls: readonly RpcCall[]
  /** Resolves with the next call of this method that no `called` has returned; with `sid`, of that client. */
  called: (method: Method, sid?: string) => Promise<RpcCall>
  /** Runs before each answer: the answer waits for it, and a fault or an answer that it returns comes instead. */
  before: (call: RpcCall) => Fault | Answer | undefined | Promise<Fault | Answer | undefined>
  stop: () => Promise<void>
  /** Starts it again, at the same port. */
  start: () => Promise<void>
}

export type Transport = 'http' | 'grpc'

const TRANSPORTS: Record<Transport, { listen: () => Promise<Listen>; host: (port: number) => string }> = {
  http: { listen: async () => listenHttp, host: port => `http://127.0.0.1:${port}/_anycable` },
  // (Most tests of HTTP need no Protocol Buffers.)
  grpc: { listen: async () => (await import('./rpc-grpc.ts')).listenGrpc, host: port => `127.0.0.1:${port}` },
}

export async function startRpcApp(
  t: Pick<TestContext, 'after'>,
  transport: Transport = 'http',
  options: RpcOptions = {},
): Promise<RpcApp> {
  const { listen: load, host } = TRANSPORTS[transport]
  const listen = await load()
  const calls: RpcCall[] = []
  const unread: RpcCall[] = []
  const waiting: { wants: (call: RpcCall) => boolean; resolve: (call: RpcCall) => void }[] = []
  const answer = scripted()
  const handle: Handle = async call => {
    calls.push(call)
    const reader = waiting.findIndex(({ wants }) => wants(call))
    if (reader >= 0) waiting.splice(reader, 1)[0]!.resolve(call)
    else unread.push(call)
    return (await app.before(call)) ?? answer(call)
  }
  const address = { host: '127.0.0.1', port: 0 }
  let listening = await listen(handle, { ...address, ...options })
  const { port } = listening
  const app: RpcApp = {
    host: host(port),
    port,
    calls,
    called(method, sid) {
      const wants = (call: RpcCall) => call.method === method && (sid === undefined || call.sid === sid)
      const at = unread.findIndex(wants)
      if (at >= 0) return Promise.resolve(unread.splice(at, 1)[0]!)
      return new Promise(resolve => waiting.push({ wants, resolve }))
    },
    before: () => undefined,
    stop: () => listening.close(),
    async start() {
      listening = await listen(handle, { ...address, ...options, port })
    },
  }
  t.after(() => listening.close())
  return app
}
