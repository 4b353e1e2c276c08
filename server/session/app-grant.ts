/**
 * The grant of a subscription that the application decided. The identifier says what the page does with its messages, and
 * where it starts, as for the channels that the cable serves itself. Pure.
 */
import type { StreamGrant } from '../channels/channels.ts'
import { isTooDeep } from '../protocol/json.ts'
import { parsePosition } from '../protocol/position.ts'
import type { State } from '../rpc/controller.ts'

/** The application names the streams to which the client may whisper, and which it may join, in the subscription's state. */
const WHISPER = '$w'
const PRESENCE = '$p'

export function grantOf(identifier: string, streams: readonly string[], istate: State): StreamGrant {
  const params = paramsOf(identifier)
  const kind = kindOf(params)
  return {
    streams: [...new Set(streams)],
    kind,
    ...rightsOf(kind, istate),
    events: kind === 'turbo' && params.events !== undefined,
    position: parsePosition(params.position),
    istate,
  }
}

/** Returns the grant with other streams, and another state. */
export const regrant = (grant: StreamGrant, streams: readonly string[], istate: State): StreamGrant => ({
  ...grant,
  streams,
  istate,
  ...rightsOf(grant.kind, istate),
})

const rightsOf = (kind: StreamGrant['kind'], istate: State): Pick<StreamGrant, 'whisper' | 'presence'> =>
  kind === 'data'
    ? { whisper: istate[WHISPER], presence: istate[PRESENCE] }
    : { whisper: undefined, presence: undefined }

/** A Turbo element inserts its messages as HTML, whatever its channel. */
function kindOf({ channel, signed_stream_name: signed }: Record<string, unknown>): StreamGrant['kind'] {
  if (channel === 'CableReady::Stream') return 'html'
  return channel === 'Turbo::StreamsChannel' || typeof signed === 'string' ? 'turbo' : 'data'
}

function paramsOf(identifier: string): Record<string, unknown> {
  if (isTooDeep(identifier)) return {}
  try {
    const value: unknown = JSON.parse(identifier)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
