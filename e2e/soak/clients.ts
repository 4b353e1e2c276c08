/**
 * The two clients that pages use, as they come from npm, many of them in one process.
 *
 *   anycable   as web/client/ makes it: extended protocol, token as a subprotocol, bounded back-off; a subscription that
 *              it gives up is made again (hotcable-status.js)
 *   rails      as turbo-rails makes it: token in the URL, all else at its defaults
 *
 * testing/client.ts does not do: it shows each frame, and neither reconnects nor resubscribes.
 * Both open Node's own WebSocket. Only the visibility of a page is missing, and it never changes here.
 */
import { Channel, createCable } from '@anycable/web'
import { createConsumer } from '@rails/actioncable'

export const KINDS = ['anycable', 'rails'] as const
export type ClientKind = (typeof KINDS)[number]

/** A stream's source: its identifier besides the channel. */
export type SourceParams = { signed_stream_name: string; position: string; events?: string }

export interface SourceListener {
  received: (message: unknown) => void
  /** Called with each new session that does not resume an old one. */
  begun: () => void
  connected: () => void
  disconnected: () => void
  /** Called when the client makes a subscription again that it had given up. */
  revived: () => void
}

export interface CableClient {
  /** What a `<turbo-cable-stream-source>` does as it enters a page; returns what it does as it leaves. */
  subscribe: (params: SourceParams, listener: SourceListener) => () => void
  close: () => void
}

Object.assign(globalThis, { addEventListener() {}, removeEventListener() {} })

export const connect = (kind: ClientKind, url: string, token: string): CableClient =>
  kind === 'anycable' ? anycable(url, token) : rails(url, token)

/** @anycable/turbo-stream names it so, after the element. */
class TurboChannel extends Channel<SourceParams> {
  static override readonly identifier = 'Turbo::StreamsChannel'
}

function anycable(url: string, token: string): CableClient {
  const cable = createCable(url, {
    protocol: 'actioncable-v1-ext-json',
    websocketAuthStrategy: 'sub-protocol',
    auth: { token },
    reconnectStrategy: failures => Math.min(10_000, 1000 * 2 ** failures) * (0.5 + Math.random() / 2),
    logLevel: 'error',
  })
  const channels = new Map<TurboChannel, SourceListener>()
  // The event comes with the welcome, so before any replay.
  cable.on('connect', ({ restored }) => {
    for (const [channel, { begun, revived }] of channels) {
      if (!restored) begun()
      if (channel.state !== 'closed') continue
      revived()
      cable.subscribe(channel)
    }
  })
  cable.on('disconnect', () => {
    for (const { disconnected } of channels.values()) disconnected()
  })
  return {
    subscribe(params, listener) {
      const channel = new TurboChannel(params)
      channels.set(channel, listener)
      channel.on('connect', listener.connected)
      channel.on('message', listener.received)
      cable.subscribe(channel)
      return () => {
        channels.delete(channel)
        channel.disconnect()
      }
    },
    close: () => cable.disconnect(),
  }
}

function rails(url: string, token: string): CableClient {
  const consumer = createConsumer(`${url}?jid=${token}`)
  return {
    subscribe(params, { received, begun, connected, disconnected }) {
      const confirmed = () => {
        begun()
        connected()
      }
      const mixin = { received, connected: confirmed, disconnected }
      const subscription = consumer.subscriptions.create({ channel: 'Turbo::StreamsChannel', ...params }, mixin)
      return () => subscription.unsubscribe()
    },
    close: () => consumer.disconnect(),
  }
}
