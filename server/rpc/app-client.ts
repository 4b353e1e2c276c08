/** A session, as its calls to the application see it. */
import type { ClientRequest } from './client-request.ts'
import type { DisconnectRequest, State } from './controller.ts'

export class AppClient {
  readonly sid: string
  readonly request: ClientRequest
  cstate: State
  /** Whether the application knows the session: it has answered a call. */
  isKnown: boolean
  /** The application hears that the client has gone, or must not, because another session has its place. */
  isSettled = false
  /** Set by {@link end}. */
  departure: DisconnectRequest | undefined
  #gone: AbortController | undefined

  constructor(sid: string, request: ClientRequest, { cstate, isKnown }: Pick<AppClient, 'cstate' | 'isKnown'>) {
    this.sid = sid
    this.request = request
    this.cstate = cstate
    this.isKnown = isKnown
  }

  /** Is aborted once the session has ended: its calls have no use then. */
  get gone(): AbortSignal {
    this.#gone ??= new AbortController()
    return this.#gone.signal
  }

  /** `istates`: those of the subscriptions that the application granted, by identifier. */
  end(identity: string, istates: Iterable<readonly [identifier: string, istate: State]>): void {
    const entries = [...istates]
    this.departure = {
      identifiers: identity,
      subscriptions: entries.map(([identifier]) => identifier),
      env: {
        ...this.request,
        cstate: this.cstate,
        istate: Object.fromEntries(
          entries.flatMap(([identifier, istate]) =>
            Object.keys(istate).length === 0 ? [] : [[identifier, JSON.stringify(istate)]],
          ),
        ),
      },
    }
    this.#gone?.abort()
  }
}
