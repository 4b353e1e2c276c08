/**
 * The two clients that people have, as they come from npm, in one process with many others.
 *
 *   anycable   as web/client/ makes it: extended protocol, token as a subprotocol, bounded back-off, and what it gives up
 *              is subscribed again (hotcable-status.js)
 *   rails      as turbo-rails makes it: token in the URL, everything else its own
 *
 * They are here beside testing/client.ts because that one shows each frame, and neither reconnects nor resubscribes.
 * Both open Node's own WebSocket. What they miss of a browser is the page's visibility, which never changes here.
 */
import { Channel, createCable } from '@anycable/web'
import { createConsumer } from '@rails/actioncable'

export const KINDS = ['anycable', 'rails'] as const
export type Kind = (typeof KINDS)[number]

/** What identifies a stream's source, beside its channel. */
export type Params = { signed_stream_name: string; position: string; events?: string }

export interface Listener {
  received: (message: unknown) => void
  /** From here on the session is one that knows nothing of what was sent before. */
  begun: () => void
  connected: () => void
  disconnected: () => void
  /** The client had given it up, and was asked for it again. */
  revived: () => void
}

export interface CableClient {
  /** As a `<turbo-cable-stream-source>` does when it comes into a page; returns what it does when it goes. */
  subscribe: (params: Params, listener: Listener) => () => void
  close: () => void
}

Object.assign(globalThis, { addEventListener() {}, removeEventListener() {} })

export const connect = (kind: Kind, url: string, token: string): CableClient =>
  kind === 'anycable' ? anycable(url, token) : rails(url, token)

/** Named as @anycable/turbo-stream names it after the element. */
class TurboChannel extends Channel<Params> {
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
  const channels = new Map<TurboChannel, Listener>()
  // Said with the welcome, so before anything is replayed.
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
