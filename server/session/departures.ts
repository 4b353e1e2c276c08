/**
 * Tells the application which clients have gone, so that its channels' `unsubscribed` runs.
 *
 *   ended ─▶ [may it be resumed? ─▶ wait; resumed: forget it] ─▶ queue, at --disconnect_rate ─▶ disconnect
 *
 * `unsubscribed` never runs behind a live client: we first take the lost session out of its store, so that nothing can resume
 * it any more. A cable that is killed tells nothing, as the reference.
 */
import { Bucket } from '../base/rate.ts'
import { BrokerUnavailable } from '../broker.ts'
import type { Log } from '../log.ts'
import type { AppClient } from '../rpc/app-client.ts'
import { type Controller, RpcFailed, STATUS } from '../rpc/controller.ts'
import type { Owner } from './identity.ts'
import type { Resumables } from './resumables.ts'

/** A session that has ended. */
export interface Departed extends Owner {
  readonly sid: string
  readonly app: AppClient | undefined
}

export interface DepartureSettings {
  /** `auto`: of the sessions that the application knows. */
  readonly mode: 'auto' | 'always' | 'never'
  /** Calls per second. */
  readonly rate: number
  /** How long a lost session can be resumed; 0: never. */
  readonly resumableMs: number
}

export interface DepartureParts {
  controller: Pick<Controller, 'disconnect'>
  resumables: Resumables
  monotonic: () => number
  /** Calls `then` after so many ms. Returns a function that cancels the call. */
  later: (ms: number, then: () => void) => () => void
  /** Aborted once the cable needs no answer any more. */
  over: AbortSignal
  failed: (error: unknown) => void
  log: Pick<Log, 'warn'>
}

/** A restart of the application must not lose them. */
const PATIENCE_MS = 30_000

export class Departures {
  readonly #settings: DepartureSettings
  readonly #parts: DepartureParts
  readonly #bucket = new Bucket()
  /** By sid, the oldest first: they may come back. */
  readonly #lost = new Map<string, { readonly departed: Departed; readonly due: number }>()
  #queue: AppClient[] = []
  #running = 0
  #unsubscribes = 0
  #cancel: (() => void) | undefined
  /** Set while the cable stops. */
  #ending: { readonly until: number; readonly done: () => void } | undefined

  constructor(settings: DepartureSettings, parts: DepartureParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** Clients that have gone, and of which the application does not know that yet. */
  get count(): number {
    return this.#lost.size + this.#queue.length + this.#running
  }

  /** `mayResume`: its state is kept. */
  left({ sid, identity, anonymous, app }: Departed, mayResume: boolean): void {
    const { mode, resumableMs } = this.#settings
    if (app === undefined || app.isSettled || mode === 'never' || (mode === 'auto' && !app.isKnown)) return
    app.isSettled = true
    if (!mayResume || resumableMs === 0 || this.#ending !== undefined) return this.#add(app)
    // (Without the rest of the session.)
    this.#lost.set(sid, { departed: { sid, identity, anonymous, app }, due: this.#parts.monotonic() + resumableMs })
  }

  /** A new session has the place of this one. */
  resumed(sid: string): void {
    this.#lost.delete(sid)
  }

  /** A cable that stops waits for the answer to an unsubscribe, too. */
  async unsubscribing(answer: Promise<void>): Promise<void> {
    this.#unsubscribes++
    try {
      await answer
    } finally {
      this.#unsubscribes--
      this.#done()
    }
  }

  /** No client may resume the lost sessions of an identity that is disconnected on purpose. */
  forget(identity: string): void {
    for (const [sid, { departed }] of this.#lost) {
      if (departed.identity !== identity) continue
      this.#lost.delete(sid)
      this.#add(departed.app!)
    }
  }

  expire(): void {
    const now = this.#parts.monotonic()
    for (const { departed, due } of this.#lost.values()) {
      if (due > now) return
      this.#end(departed)
    }
  }

  /** Tells the application of all that have gone, also those that might come back. Resolves after so many ms at the latest. */
  async stop(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ending = { until: this.#parts.monotonic() + ms, done: resolve }
    const cancel = this.#parts.later(ms, resolve)
    for (const { departed } of this.#lost.values()) this.#end(departed)
    this.#pump()
    await promise
    cancel()
  }

  #end(departed: Departed): void {
    this.#lost.delete(departed.sid)
    const { resumables, failed } = this.#parts
    const taken = resumables.take(departed.sid, departed)
    // (In our own store a session may have given way to newer ones.)
    if (!(taken instanceof Promise)) return this.#add(departed.app!)
    this.#running++
    taken
      .then(
        found => found !== undefined && this.#add(departed.app!),
        error => {
          if (!(error instanceof BrokerUnavailable)) throw error
          this.#lost.set(departed.sid, { departed, due: this.#parts.monotonic() })
        },
      )
      .catch(failed)
      .finally(() => this.#ended())
  }

  #add(app: AppClient): void {
    this.#queue.push(app)
    this.#pump()
  }

  #pump(): void {
    const { monotonic, later } = this.#parts
    const { rate } = this.#settings
    while (this.#queue.length > 0) {
      const ms = this.#ending === undefined ? this.#bucket.wait({ burst: rate, perSecond: rate }, monotonic()) : 0
      if (ms > 0) {
        this.#cancel ??= later(ms, () => {
          this.#cancel = undefined
          this.#pump()
        })
        return
      }
      this.#bucket.spend(1)
      this.#tell(this.#queue.shift()!)
    }
    this.#done()
  }

  #tell(app: AppClient): void {
    const { controller, over, monotonic, failed } = this.#parts
    const { until = Number.POSITIVE_INFINITY } = this.#ending ?? {}
    this.#running++
    controller
      .disconnect(app.departure!, {
        sid: app.sid,
        signal: over,
        timeoutMs: Math.min(PATIENCE_MS, until - monotonic()),
      })
      .then(({ status, error_msg }) => status === STATUS.ERROR && this.#report(error_msg || 'status ERROR'))
      .catch(error => (error instanceof RpcFailed ? this.#report(error.message) : failed(error)))
      .finally(() => this.#ended())
  }

  #ended(): void {
    this.#running--
    this.#done()
  }

  #done(): void {
    if (this.#queue.length + this.#running + this.#unsubscribes === 0) this.#ending?.done()
  }

  #report(reason: string): void {
    this.#parts.log.warn({ code: 'rpc_failed', method: 'disconnect', reason }, 'an RPC call failed')
  }
}
