/**
 * What an identifier names: a table from channel to the stream it grants.
 *
 *   {"channel":"Turbo::StreamsChannel","signed_stream_name":"…--…","position":"12/aZ3x"}   ─▶  board/1
 *
 * Keys that a channel does not know are ignored: both stock clients copy every data-* attribute of the element in here.
 * Pure; what it grants is decided by the settings it was made with.
 */
import { verifyStream } from './auth/streams.ts'
import { SubscriptionRejected } from './errors.ts'

export interface StreamGrant {
  stream: string
}

/** Throws {@link SubscriptionRejected}. */
export type Resolve = (identifier: string) => StreamGrant

export interface ChannelSettings {
  /** Verifies `$pubsub` names; empty: none verifies. */
  streamsSecret: string
  publicStreams: boolean
  /** Whether `Turbo::StreamsChannel` is served, and how its names are read. */
  turbo: { secret: string; cleartext: boolean } | undefined
}

type Params = Record<string, unknown>

export function createChannels({ streamsSecret, publicStreams, turbo }: ChannelSettings): Resolve {
  const channels = new Map<unknown, (params: Params) => string>([
    [
      '$pubsub',
      params =>
        params.signed_stream_name ? verifyStream(name(params.signed_stream_name), streamsSecret) : openStream(params),
    ],
  ])
  if (turbo !== undefined) {
    const { secret, cleartext } = turbo
    channels.set('Turbo::StreamsChannel', params => {
      const given = name(params.signed_stream_name)
      return cleartext ? given : verifyStream(given, secret)
    })
  }

  function openStream({ stream_name }: Params): string {
    const stream = name(stream_name)
    if (!publicStreams) throw new SubscriptionRejected('stream_not_public')
    return stream
  }

  return identifier => {
    const params = parse(identifier)
    const stream = channels.get(params.channel)
    if (stream === undefined) throw new SubscriptionRejected('channel_unknown')
    return { stream: stream(params) }
  }
}

function name(value: unknown): string {
  if (value === undefined || value === null || value === '') throw new SubscriptionRejected('stream_name_missing')
  if (typeof value !== 'string') throw new SubscriptionRejected('stream_name_not_a_string')
  return value
}

function parse(identifier: string): Params {
  try {
    const value: unknown = JSON.parse(identifier)
    if (typeof value === 'object' && value !== null) return value as Params
  } catch (cause) {
    throw new SubscriptionRejected('channel_unknown', { cause })
  }
  throw new SubscriptionRejected('channel_unknown')
}
