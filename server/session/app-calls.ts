/**
 * The calls of sessions to the application (--rpc_host).
 *
 * An answer with FAILURE is a refusal. No answer, or one with ERROR, is not: both stock clients forget a rejected
 * subscription for good. So we repeat a subscribe for 8 s, and then let the client connect again.
 */
import { backoff, type Pauses, rest } from '../base/backoff.ts'
import type { AnsweredGrant, Subscriber } from '../channels/channels.ts'
import { type ComplaintCode, SessionRefused, SubscriptionRejected } from '../errors.ts'
import type { Log } from '../log.ts'
import { AppClient } from '../rpc/app-client.ts'
import type { ClientRequest } from '../rpc/client-request.ts'
import {
  type CommandMessage,
  type CommandResponse,
  type Controller,
  type Env,
  RpcFailed,
  STATUS,
  type State,
} from '../rpc/controller.ts'
import { changed, NO_STATE } from '../rpc/states.ts'
import { grantOf } from './app-grant.ts'
import type { Identity } from './identity.ts'

/** A client that the application admitted. */
export interface Connected extends Identity {
  readonly app: AppClient
  /** Its welcome, as the application wrote it. */
  readonly transmissions: readonly string[]
}

export interface AppCalls {
  /** Rejects with {@link SessionRefused}. */
  connect: (sid: string, request: ClientRequest, signal: AbortSignal) => Promise<Connected>
  /** Rejects with {@link SubscriptionRejected}, or with {@link SessionRefused}. */
  subscribe: (identifier: string, subscriber: Subscriber, cameAt: number | undefined) => Promise<AnsweredGrant>
  /** Resolves with the answer, or with the code of why it is missing. */
  command: (
    command: Omit<CommandMessage, 'connection_identifiers' | 'env'>,
    subscriber: Subscriber,
    istate: State,
  ) => Promise<CommandResponse | ComplaintCode>
}

export interface AppCallParts {
  controller: Controller
  /** Time for a call, with all attempts, ms. */
  commandMs: number
  /** Aborted once the cable needs no answer any more. */
  over: AbortSignal
  monotonic: () => number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  /** From 0 to 1. */
  random: () => number
  log: Pick<Log, 'warn'>
}

/** Characters of a message of the app that we log. */
const MOST = 300
/** Both stock clients wait longer for an answer. */
const PATIENCE_MS = 8_000
/** So that the clients of an application that is away do not all come again at once, some wait less. */
const SPREAD_MS = 2_000
/** Pause after the first failure, and the longest one. */
const PAUSES_MS: Pauses = [200, 1_000]

export function createAppCalls(parts: AppCallParts): AppCalls {
  const { controller, commandMs, over, monotonic, later, random, log } = parts
  /** Logs a failure; the log leaves out lines of a flood. */
  const report = (method: string, error: unknown): void => {
    if (!(error instanceof RpcFailed)) throw error
    if (error.code !== 'canceled') log.warn({ code: 'rpc_failed', method, reason: error.message }, 'an RPC call failed')
  }
  const failed = (method: string, message: string) =>
    report(method, new RpcFailed('failed', message.slice(0, MOST) || 'status ERROR'))

  async function connect(sid: string, request: ClientRequest, signal: AbortSignal): Promise<Connected> {
    const env = { ...request, cstate: NO_STATE, istate: NO_STATE }
    try {
      const answer = await controller.connect({ env }, { sid, signal, timeoutMs: commandMs })
      const { status, identifiers, transmissions } = answer
      if (status === STATUS.FAILURE) throw new SessionRefused('app_refused', { transmissions })
      if (status === STATUS.SUCCESS) {
        const app = new AppClient(sid, request, { cstate: changed(NO_STATE, answer.env.cstate), isKnown: true })
        // Without an identity, as with --noauth, the sid alone opens the session.
        const anonymous = identifiers === '' || identifiers === '{}'
        return { identity: identifiers, expires: undefined, anonymous, app, transmissions }
      }
      failed('connect', answer.error_msg)
    } catch (error) {
      if (error instanceof SessionRefused) throw error
      report('connect', error)
    }
    throw new SessionRefused('rpc_unavailable')
  }

  const envOf = ({ request, cstate }: AppClient, istate: State): Env => ({ ...request, cstate, istate })

  async function subscribe(identifier: string, subscriber: Subscriber, cameAt = monotonic()): Promise<AnsweredGrant> {
    const app = subscriber.app!
    const until = cameAt + PATIENCE_MS - random() * SPREAD_MS
    for (let failures = 0; ; failures++) {
      const timeoutMs = Math.min(commandMs, until - monotonic())
      if (timeoutMs <= 0) break
      try {
        const answer = await controller.command(
          {
            ...{ command: 'subscribe', identifier, data: '' },
            ...{ connection_identifiers: subscriber.identity, env: envOf(app, NO_STATE) },
          },
          { sid: app.sid, signal: app.gone, timeoutMs },
        )
        if (answer.status !== STATUS.ERROR) return granted(identifier, app, answer)
        failed('subscribe', answer.error_msg)
      } catch (error) {
        if (error instanceof SubscriptionRejected) throw error
        report('subscribe', error)
        if (IN_VAIN.has((error as RpcFailed).code)) break
      }
      await rest(backoff(failures, PAUSES_MS, random), app.gone, later)
    }
    throw new SessionRefused('rpc_unavailable')
  }

  function granted(identifier: string, app: AppClient, answer: CommandResponse): AnsweredGrant {
    app.isKnown = true
    if (app.gone.aborted) throw new SessionRefused('rpc_unavailable')
    app.cstate = changed(app.cstate, answer.env.cstate)
    const { status, transmissions, disconnect } = answer
    if (status === STATUS.FAILURE)
      throw new SubscriptionRejected('app_rejected', { answer: { transmissions, disconnect } })
    return { grant: grantOf(identifier, answer.streams, changed(NO_STATE, answer.env.istate)), answer }
  }

  return {
    connect,
    subscribe,
    async command(message, subscriber, istate) {
      const app = subscriber.app!
      // The disconnect of a session that ends meanwhile does not name the subscription any more.
      const signal = message.command === 'unsubscribe' ? over : app.gone
      try {
        const answer = await controller.command(
          { ...message, connection_identifiers: subscriber.identity, env: envOf(app, istate) },
          { sid: app.sid, signal, timeoutMs: commandMs },
        )
        if (answer.status !== STATUS.ERROR) {
          app.isKnown = true
          app.cstate = changed(app.cstate, answer.env.cstate)
          return answer
        }
        failed(message.command, answer.error_msg)
      } catch (error) {
        report(message.command, error)
      }
      return 'rpc_unavailable'
    },
  }
}

/** The same call would have the same answer. */
const IN_VAIN: ReadonlySet<RpcFailed['code']> = new Set(['unauthorized', 'refused', 'canceled'])
