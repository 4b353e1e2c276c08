/**
 * RPC over HTTP: `mount_rpc_over_http` of the gem `anycable-rails`, or any other application that answers these requests.
 *
 *   POST <rpc_host>/connect    {"env":{"url":"http://…","headers":{"cookie":"…"}}}
 *                   /command   /disconnect
 *   Authorization: Bearer <key>   x-anycable-meta-sid: <sid>   x-anycable-meta-protov: v1
 *
 * Like the reference, we leave out what is empty. A connection that breaks, 502, 503 and 504 mean that the application is not
 * there. 401 and 422 are answers, and the same request would get them again.
 */
import { Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { readCommand, readConnection, readDisconnect } from './answers.ts'
import { type Call, type Controller, PROTOCOL_VERSION, RpcFailed, type RpcFailure } from './controller.ts'

export interface HttpOptions {
  /** As in --rpc_host. */
  readonly url: string
  /** Empty: none. */
  readonly key: string
  /** Bytes of one answer. */
  readonly maxReceiveSize: number
}

export function createHttpController({ url, key, maxReceiveSize }: HttpOptions): Controller {
  const isSecure = url.startsWith('https:')
  const folder = url.replace(/\/$/, '')
  const agent = isSecure ? new SecureAgent({ keepAlive: true }) : new PlainAgent({ keepAlive: true })
  const send = isSecure ? secureRequest : plainRequest
  const headers = {
    'content-type': 'application/json',
    'x-anycable-meta-protov': PROTOCOL_VERSION,
    // (Node writes a header as Latin-1, and a key is UTF-8.)
    ...(key === '' ? {} : { authorization: Buffer.from(`Bearer ${key}`).toString('latin1') }),
  }

  /** Resolves with the body of the answer. */
  function post(method: string, request: object, { sid, signal, timeoutMs }: Call): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    if (signal.aborted) return Promise.reject(new RpcFailed('canceled'))
    // (Node would write the headers as UTF-8 together with a text.)
    const body = Buffer.from(print(request))
    const sent = send(new URL(`${folder}/${method}`), {
      method: 'POST',
      agent,
      headers: { ...headers, 'x-anycable-meta-sid': sid, 'content-length': body.length },
    })
    const fail = (failure: RpcFailed) => {
      reject(failure)
      sent.destroy()
    }
    const cancel = () => fail(new RpcFailed('canceled'))
    const timer = setTimeout(() => fail(new RpcFailed('timed_out')), timeoutMs)
    signal.addEventListener('abort', cancel, { once: true })
    const chunks: Buffer[] = []
    let size = 0
    sent.on('response', answer => {
      const { statusCode = 0 } = answer
      if (statusCode !== 200) {
        reject(new RpcFailed(FAILURES[statusCode] ?? 'failed', `status ${statusCode}`))
        answer.resume() // (the connection can be used again)
        return
      }
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > maxReceiveSize) fail(new RpcFailed('malformed', `more than ${maxReceiveSize} bytes`))
        else chunks.push(chunk)
      })
      answer.on('end', () => resolve(Buffer.concat(chunks).toString()))
      answer.on('error', cause => reject(new RpcFailed('unavailable', codeOf(cause), { cause })))
    })
    sent.on('error', cause => reject(new RpcFailed('unavailable', codeOf(cause), { cause })))
    sent.end(body)
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
    })
  }

  return {
    connect: async (request, call) => readConnection(await post('connect', request, call)),
    command: async (request, call) => readCommand(await post('command', request, call)),
    disconnect: async (request, call) => readDisconnect(await post('disconnect', request, call)),
    close: () => agent.destroy(),
  }
}

const FAILURES: Readonly<Record<number, RpcFailure>> = {
  400: 'refused',
  401: 'unauthorized',
  403: 'unauthorized',
  422: 'refused',
  429: 'exhausted',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
}

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message

/** Leaves out what is empty. */
const print = (request: object): string => JSON.stringify(request, (_, value) => (isEmpty(value) ? undefined : value))

const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
