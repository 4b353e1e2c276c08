/**
 * Decodes an identifier: channel, streams, position, and why the cable would reject it. Pure.
 */
import { createChannels } from '../channels/channels.ts'
import { SubscriptionRejected } from '../errors.ts'
import { parsePosition } from '../protocol/position.ts'
import type { Context } from './context.ts'
import { addFault, type Finding, finding } from './finding.ts'
import { shorten, show } from './shorten.ts'
import { CHANNELS, decodeStreamName } from './stream-name.ts'

export function decodeIdentifier(identifier: string, context: Context): Finding {
  const found = finding('identifier')
  const params = read(identifier)
  const channel = params.channel
  found.facts.push(['channel', show(channel ?? null)])
  const name = channel === 'CableReady::Stream' ? params.identifier : params.signed_stream_name
  const isKnown = CHANNELS.some(([, known]) => known === channel)
  if (typeof name === 'string' && isKnown) found.parts.push(decodeStreamName(name, context, String(channel)))
  if (typeof params.stream_name === 'string') found.facts.push(['unsigned stream', shorten(params.stream_name)])
  if (channel === 'Turbo::StreamsChannel') addPosition(found, params.position, context)
  try {
    const channels = createChannels(context.settings, { wall: () => context.now * 1000, verified: () => {} })
    if (channels(identifier).permit === 'due') found.facts.push(['permission', 'the cable asks --subscribe_url first'])
  } catch (error) {
    if (!(error instanceof SubscriptionRejected)) throw error
    // The name inside says why, or that no key is known here.
    if (found.parts.every(({ faults }) => faults.length === 0)) addFault(found, error.code)
  }
  return found
}

/** Adds the fact and the faults of a page's position; `undefined`: the page sends none. */
export function addPosition(found: Finding, text: unknown, { position: newest }: Context): void {
  if (text === undefined || text === null) return addFault(found, 'position_missing')
  found.facts.push(['position', show(text)])
  const position = parsePosition(text)
  if (position === undefined) addFault(found, 'position_malformed')
  else if (position === 'unknown') addFault(found, 'gap_position_unknown')
  else if (newest !== undefined && position.epoch !== newest.epoch) addFault(found, 'gap_restarted')
  else if (newest !== undefined)
    found.facts.push(['messages since then', `at most ${Math.max(0, newest.offset - position.offset)}, of all streams`])
}

function read(identifier: string): Record<string, unknown> {
  try {
    return JSON.parse(identifier) ?? {}
  } catch {
    return {}
  }
}
