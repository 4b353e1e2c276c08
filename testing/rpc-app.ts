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
 *   app.before = () => 'drop'                                            // the connection breaks instead
 *
 * Without a script it welcomes and confirms, as the gem does.
 */
import type { TestContext } from 'node:test'
import { listenHttp } from './rpc-http.ts'
import {
  ANSWERS,
  type Answer,
  type Fault,
  type Handle,
  type Listen,
  type Method,
  type RpcCall,
  type RpcOptions,
} from './rpc-script.ts'

export interface RpcApp {
  /** For --rpc_host. */
  readonly host: string
  readonly port: number
  readonly calls: readonly RpcCall[]
  /** Resolves with the next call of this method that no `called` has returned. */
  called: (method: Method) => Promise<RpcCall>
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
  const [unread, waiting] = [new Map<Method, RpcCall[]>(), new Map<Method, ((call: RpcCall) => void)[]>()]
  const handle: Handle = async call => {
    calls.push(call)
    const reader = waiting.get(call.method)?.shift()
    if (reader) reader(call)
    else unread.set(call.method, [...(unread.get(call.method) ?? []), call])
    return (await app.before(call)) ?? ANSWERS[call.method](call)
  }
  const address = { host: '127.0.0.1', port: 0 }
  let listening = await listen(handle, { ...address, ...options })
  const { port } = listening
  const app: RpcApp = {
    host: host(port),
    port,
    calls,
    called(method) {
      const call = unread.get(method)?.shift()
      if (call) return Promise.resolve(call)
      return new Promise(resolve => waiting.set(method, [...(waiting.get(method) ?? []), resolve]))
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
