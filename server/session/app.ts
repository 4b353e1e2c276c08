/**
 * The application behind the channels that the cable does not serve itself (--rpc_host): its answers become identities,
 * grants and messages of sessions.
 *
 *   handshake ─▶ connect     subscribe ─▶ grant     message ─▶ streams, messages …     gone ─▶ disconnect
 *
 * Loaded only if --rpc_host is set.
 */
import type { StreamGrant } from '../channels/channels.ts'
import type { Command } from '../protocol/action-cable.ts'
import { AppClient } from '../rpc/app-client.ts'
import { type Asking, type ClientRequest, createRequestReader, type RequestSettings } from '../rpc/client-request.ts'
import type { CommandResponse, State } from '../rpc/controller.ts'
import { createLimited, type LimitedController, type LimitedSettings } from '../rpc/limited.ts'
import { NO_STATE } from '../rpc/states.ts'
import { loadTransport, type TransportSettings } from '../rpc/transport.ts'
import { type AppCallParts, type AppCalls, createAppCalls } from './app-calls.ts'
import { grantOf } from './app-grant.ts'
import { finish, type Performer, perform, type StreamParts, unsubscribe } from './app-session.ts'
import { type DepartureParts, type DepartureSettings, Departures } from './departures.ts'
import type { AppSnapshot } from './resumables.ts'
import type { Subscription } from './subscriptions.ts'

export interface App extends Pick<AppCalls, 'connect'> {
  /** Returns what the application gets of a client's request. */
  requestOf: (asking: Asking) => ClientRequest
  /** Returns what its calls know of a session. `former`: it resumes this one. */
  client: (sid: string, request: ClientRequest, former: AppSnapshot | undefined) => AppClient
  /** Rejects with SubscriptionRejected, or with SessionRefused. */
  subscribe: AppCalls['subscribe']
  /** Ends what a granted subscription begins: the last part of the answer. */
  finish: (session: Performer, subscription: Subscription, answer: CommandResponse) => void
  perform: (session: Performer, subscription: Subscription, command: Command, parts: StreamParts) => Promise<void>
  unsubscribe: (session: Performer, subscription: Subscription) => Promise<void>
  /** Returns the grant of a subscription that the application granted to a former session. */
  grantOf: (identifier: string, streams: readonly string[], istate: State) => StreamGrant
  readonly departures: Departures
  readonly counts: LimitedController['counts']
  /** Tells the application of all that have gone, for so many ms at most. */
  stop: (ms: number) => Promise<void>
}

export interface AppSettings
  extends LimitedSettings,
    RequestSettings,
    Omit<DepartureSettings, 'resumableMs'>,
    TransportSettings {
  /** Time for a call, with all attempts, ms. */
  readonly commandMs: number
}

export interface AppParts
  extends Omit<AppCallParts, 'controller' | 'commandMs' | 'over'>,
    Omit<DepartureParts, 'controller' | 'over'> {
  resumableMs: number
}

export async function createApp(settings: AppSettings, parts: AppParts): Promise<App> {
  const controller = createLimited(await loadTransport(settings), settings, parts)
  const over = new AbortController()
  const shared = { ...parts, controller, over: over.signal }
  const calls = createAppCalls({ ...shared, commandMs: settings.commandMs })
  const departures = new Departures({ ...settings, resumableMs: parts.resumableMs }, shared)
  return {
    connect: calls.connect,
    requestOf: createRequestReader(settings),
    client: (sid, request, former) => new AppClient(sid, request, former ?? { cstate: NO_STATE, isKnown: false }),
    subscribe: calls.subscribe,
    finish,
    perform: (session, subscription, command, parts) => perform(session, subscription, command, calls, parts),
    unsubscribe: (session, subscription) => departures.unsubscribing(unsubscribe(session, subscription, calls)),
    grantOf,
    departures,
    counts: controller.counts,
    async stop(ms) {
      await departures.stop(ms)
      over.abort()
      controller.close()
    },
  }
}
