/**
 * Channels: a table from the channel that an identifier names to the streams it grants.
 *
 *   {"channel":"Turbo::StreamsChannel","signed_stream_name":"…--…","position":"12/aZ3x"}   ─▶  board/1, from 12/aZ3x
 *
 * A channel ignores keys that it does not know, because both stock clients copy every data-* attribute of the element in
 * here. Pure.
 */
import type { Secret } from '../auth/keys.ts'
import { streamVerifier, type VerifiedStream } from '../auth/streams.ts'
import type { Soon } from '../base/soon.ts'
import { SubscriptionRejected } from '../errors.ts'
import { isTooDeep } from '../protocol/json.ts'
import { type Position, parsePosition } from '../protocol/position.ts'
import type { AppClient } from '../rpc/app-client.ts'
import type { Permit } from '../rpc/authority.ts'
import type { ClientRequest } from '../rpc/client-request.ts'
import type { CommandResponse, State } from '../rpc/controller.ts'

export interface StreamGrant {
  /** The subscription listens to all of them. Each is there once. */
  readonly streams: readonly string[]
  /**
   * How the page uses the messages. It inserts those of `turbo` and `html` as HTML, so these must not get messages that a
   * client made (whispers, presence). We can ask only a `turbo` page to refresh.
   */
  readonly kind: 'turbo' | 'html' | 'data'
  /** The stream that its client may whisper to. */
  readonly whisper: string | undefined
  /** The stream that its client may join. */
  readonly presence: string | undefined
  /** Whether the page wants to know how it is catching up: see protocol/source-events.ts. */
  readonly events: boolean
  /** The position at which the page was rendered, if it sends one. */
  readonly position: Position | 'unknown' | undefined
  /** The permission of the app; `due`: the cable has to ask for it first. `undefined`: the stream needs none. */
  readonly permit?: Permit | 'due'
  /** The state that the application keeps with the subscription. `undefined`: the cable serves the channel itself. */
  readonly istate?: State
}

/** The client that subscribes. */
export interface Subscriber {
  readonly identity: string
  /** Its session has ended: it has no use for a grant. */
  readonly ended: boolean
  /** `undefined`: the cable asks no application (--rpc_host). */
  readonly app: AppClient | undefined
  /** The request with which it came; `undefined`: no part of this cable needs it. */
  readonly request: ClientRequest | undefined
}

/** A grant of the application, and the rest of its answer. */
export interface AnsweredGrant {
  readonly grant: StreamGrant
  readonly answer: CommandResponse
}

/** Throws {@link SubscriptionRejected}. */
export type Channels = (identifier: string) => StreamGrant

/**
 * Throws, or rejects with, {@link SubscriptionRejected}, or a SessionRefused that ends the session. While an answer is due,
 * the later commands of the session wait.
 */
export type Resolve = (
  identifier: string,
  subscriber: Subscriber,
  /** When the client asked, if it had to wait. */
  cameAt?: number,
) => Soon<StreamGrant | AnsweredGrant>

/** How the names of a channel are signed. */
export interface Signed {
  readonly secrets: readonly Secret[]
  /** Whether names are unsigned. */
  readonly cleartext: boolean
}

export interface ChannelSettings {
  /** Verify `$pubsub` names, the present one first. */
  readonly streamsSecrets: readonly string[]
  readonly streamsPurpose: string
  readonly publicStreams: boolean
  readonly whisper: boolean
  readonly presence: boolean
  /** How to read the names of `Turbo::StreamsChannel` and `CableReady::Stream`; `undefined`: the cable does not serve it. */
  readonly turbo: Signed | undefined
  readonly cableReady: Signed | undefined
  /** `undefined`: the app permits every stream. */
  readonly asked: AskedStreams | undefined
}

/** The streams for which the app has to permit each subscription. */
export interface AskedStreams {
  /** Names, or their beginnings with `*` behind. */
  readonly streams: readonly string[]
  /** The purpose in the signed names of other streams; empty: no such names. */
  readonly purpose: string
}

type Params = Record<string, unknown>

/** What a channel grants; `isAsked`: a signed name says that the app has to permit it. */
interface Granted extends Omit<StreamGrant, 'position' | 'events' | 'permit'> {
  readonly isAsked: boolean
}

type Verified = Pick<VerifiedStream, 'stream' | 'isAsked'>

export interface ChannelParts {
  /** Unix time in ms. */
  wall: () => number
  /** Counts the names that each key verified. */
  verified: (key: number) => void
}

export function createChannels(settings: ChannelSettings, { wall, verified }: ChannelParts): Channels {
  const {
    streamsSecrets,
    streamsPurpose: purpose,
    publicStreams,
    whisper,
    presence,
    turbo,
    cableReady,
    asked,
  } = settings
  const verifier = (secrets: readonly Secret[]) => {
    const verify = streamVerifier({ secrets, purpose, askedPurpose: asked?.purpose ?? '' })
    return (signed: string): Verified => {
      const stream = verify(signed, wall() / 1000)
      verified(stream.key)
      return stream
    }
  }
  const ofPubsub = verifier(streamsSecrets)
  const channels = new Map<unknown, (params: Params) => Granted>()
  channels.set('$pubsub', ({ signed_stream_name: signed, stream_name: open }) => {
    if (signed) return ofData(ofPubsub(name(signed)), whisper, presence)
    const stream = name(open)
    if (!publicStreams) throw new SubscriptionRejected('stream_not_public')
    return ofData({ stream, isAsked: false }, true, true)
  })
  const html = (kind: 'turbo' | 'html', field: string, { secrets, cleartext }: Signed) => {
    const verify = cleartext ? (stream: string): Verified => ({ stream, isAsked: false }) : verifier(secrets)
    return (params: Params) => {
      const { stream, isAsked } = verify(name(params[field]))
      return { streams: [stream], kind, whisper: undefined, presence: undefined, isAsked }
    }
  }
  if (turbo) channels.set('Turbo::StreamsChannel', html('turbo', 'signed_stream_name', turbo))
  if (cableReady) channels.set('CableReady::Stream', html('html', 'identifier', cableReady))

  const isDue = asked === undefined ? undefined : matcher(asked.streams)

  return identifier => {
    const params = parse(identifier)
    const grant = channels.get(params.channel)
    if (grant === undefined) throw new SubscriptionRejected('channel_unknown')
    const { streams, kind, whisper, presence, isAsked } = grant(params)
    const events = kind === 'turbo' && params.events !== undefined
    const granted = { streams, kind, whisper, presence, events, position: parsePosition(params.position) }
    return isAsked || isDue?.(streams[0]!) ? { ...granted, permit: 'due' } : granted
  }
}

/** Returns whether a stream is one of these names. Not only signed names count: a client must not go around the question. */
function matcher(names: readonly string[]): (stream: string) => boolean {
  const exact = new Set(names.filter(name => !name.endsWith('*')))
  const beginnings = names.filter(name => name.endsWith('*')).map(name => name.slice(0, -1))
  return stream => exact.has(stream) || beginnings.some(beginning => stream.startsWith(beginning))
}

const ofData = ({ stream, isAsked }: Verified, whisper: boolean, presence: boolean): Granted => ({
  streams: [stream],
  kind: 'data',
  whisper: whisper ? stream : undefined,
  presence: presence ? stream : undefined,
  isAsked,
})

function name(value: unknown): string {
  if (value === undefined || value === null || value === '') throw new SubscriptionRejected('stream_name_missing')
  if (typeof value !== 'string') throw new SubscriptionRejected('stream_name_not_a_string')
  return value
}

function parse(identifier: string): Params {
  if (isTooDeep(identifier)) throw new SubscriptionRejected('identifier_too_deep')
  try {
    const value: unknown = JSON.parse(identifier)
    if (typeof value === 'object' && value !== null) return value as Params
  } catch (cause) {
    throw new SubscriptionRejected('channel_unknown', { cause })
  }
  throw new SubscriptionRejected('channel_unknown')
}
