/** A channel for tests that grants several streams, as RPC does. */
import type { Channels, Resolve, StreamGrant } from '../channels/channels.ts'
import { parsePosition } from '../protocol/position.ts'

type Several = Partial<Pick<StreamGrant, 'whisper' | 'presence' | 'kind'>> & { position?: string }

/** The identifier of a subscription to these streams. */
export const several = (streams: readonly string[], more: Several = {}): string =>
  JSON.stringify({ channel: 'several', streams, ...more })

/** Resolves those identifiers, and leaves all others to the channels. */
export const wrapResolve = (channels: Channels): Resolve => {
  return identifier => {
    const { channel, streams, kind = 'data', whisper, presence, position } = JSON.parse(identifier)
    if (channel !== 'several') return channels(identifier)
    return { streams, kind, whisper, presence, events: false, position: parsePosition(position) }
  }
}
