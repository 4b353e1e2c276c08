/**
 * For tests: the calls of a cable, and the answers of an app whose clients write its script (rpc-app.ts).
 */

export type Method = 'connect' | 'command' | 'disconnect'

/** What an answer may have, by the names of rpc.proto. */
export interface Answer {
  status?: number
  identifiers?: string
  transmissions?: readonly string[]
  error_msg?: string
  env?: { cstate?: Record<string, string>; istate?: Record<string, string> }
  disconnect?: boolean
  stop_streams?: boolean
  streams?: readonly string[]
  stopped_streams?: readonly string[]
  presence?: { type: string; id: string; info?: string; ttl?: number }
}

/** A client's script: an answer, or a fault in its first calls that are alike (in all of them without `times`). */
export type Script = Answer & { fault?: Fault; times?: number }

export interface Env {
  url: string
  headers: Record<string, string>
  cstate: Record<string, string>
  istate: Record<string, string>
}

/** What a cable sent; a field that is absent is empty. */
export interface Request {
  command: string
  identifier: string
  connection_identifiers: string
  data: string
  identifiers: string
  subscriptions: readonly string[]
  env: Env
}

export interface RpcCall {
  readonly method: Method
  readonly request: Request
  /** Of the metadata. */
  readonly sid: string | undefined
  readonly protov: string | undefined
  /** Resolves once the cable no longer waits for the answer. */
  readonly canceled: Promise<void>
}

/**
 * hang          never answers
 * drop          closes the connection
 * garbage       bytes that are no answer
 * unavailable   503, or UNAVAILABLE
 * exhausted     429, or RESOURCE_EXHAUSTED
 * unauthorized  401, or UNAUTHENTICATED
 * refused       422, or INVALID_ARGUMENT
 * crash         500, or UNKNOWN
 */
export type Fault = 'hang' | 'drop' | 'garbage' | 'unavailable' | 'exhausted' | 'unauthorized' | 'refused' | 'crash'

export interface RpcOptions {
  /** 127.0.0.1 by default. */
  host?: string
  /** A free one by default. */
  port?: number
  /** The key that the cable must send. (Over gRPC the cable sends no key.) */
  secret?: string
  /** PEM: gRPC over TLS. */
  tls?: { cert: string; key: string }
}

/** A request without fields: over HTTP cables leave out what is empty. */
const EMPTY: Request = {
  command: '',
  identifier: '',
  connection_identifiers: '',
  data: '',
  identifiers: '',
  subscriptions: [],
  env: { url: '', headers: {}, cstate: {}, istate: {} },
}

export const filledIn = (request: Partial<Request>): Request => ({
  ...EMPTY,
  ...request,
  env: { ...EMPTY.env, ...request.env },
})

/** Answers one call; a transport turns it into bytes. */
export type Handle = (call: RpcCall) => Promise<Answer | Fault>

export interface Listening {
  port: number
  /** Stops listening, and closes every connection. */
  close: () => Promise<void>
}

export type Listen = (
  handle: Handle,
  options: Required<Pick<RpcOptions, 'host' | 'port'>> & RpcOptions,
) => Promise<Listening>

/** An identifier that has a script for its subscription, and one for its end. `more` makes it another identifier. */
export const channel = (
  script: Script = {},
  more: { name?: string; atEnd?: Script; [param: string]: unknown } = {},
) => {
  const { name = 'ScriptedChannel', atEnd, ...params } = more
  return JSON.stringify({ channel: name, ...params, script, ...(atEnd ? { at_end: atEnd } : {}) })
}

/** The rest of a `message` command that has a script. */
export const act = (script: Script = {}, more: object = {}) => ({
  data: JSON.stringify({ action: 'follow', ...more, script }),
})

/** The query of a client that has a script for its connection. */
export const visit = (script: Script = {}, more: Record<string, string> = {}) =>
  `?${new URLSearchParams({ ...more, script: JSON.stringify(script) })}`

/** Returns the answers of one app, which counts faults. */
export function scripted(): (call: RpcCall) => Answer | Fault {
  const faults = new Map<string, number>()
  return call => {
    const [script, answer] = ANSWERS[call.method](call)
    const { fault, times = Number.POSITIVE_INFINITY, ...rest } = script
    if (fault === undefined) return { ...answer, ...rest }
    const { command, identifier, data } = call.request
    const key = JSON.stringify([call.method, call.sid, command, identifier, data])
    const count = (faults.get(key) ?? 0) + 1
    faults.set(key, count)
    return count <= times ? fault : { ...answer, ...rest }
  }
}

/** The script for a call, and the answer that it changes. */
const ANSWERS: Record<Method, (call: RpcCall) => [Script, Answer]> = {
  connect({ request: { env }, sid }) {
    const { searchParams } = new URL(env.url)
    const script: Script = JSON.parse(searchParams.get('script') ?? '{}')
    const welcome = JSON.stringify({ type: 'welcome', sid })
    const refusal = '{"type":"disconnect","reason":"unauthorized","reconnect":false}'
    return [
      script,
      {
        status: 1,
        transmissions: (script.status ?? 1) === 1 ? [welcome] : [refusal],
        identifiers: JSON.stringify({ user: searchParams.get('user') ?? sid }),
      },
    ]
  },
  command({ request: { command, identifier, data } }) {
    const { script = {}, at_end: atEnd = {} }: { script?: Script; at_end?: Script } = JSON.parse(identifier)
    if (command === 'message') return [JSON.parse(data).script ?? {}, { status: 1 }]
    if (command === 'unsubscribe') return [atEnd, { status: 1, stop_streams: true }]
    const type = (script.status ?? 1) === 1 ? 'confirm_subscription' : 'reject_subscription'
    return [script, { status: 1, transmissions: [JSON.stringify({ type, identifier })] }]
  },
  disconnect: () => [{}, { status: 1 }],
}
