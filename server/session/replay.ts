/**
 * A replay: the messages that a subscription missed, as frames. Pure.
 */
import type { Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Message } from '../hub/hub.ts'
import { broadcastPrefix } from '../protocol/action-cable.ts'
import { textFrame } from '../protocol/frame.ts'
import { storedPayload } from '../protocol/payload.ts'
import type { Position } from '../protocol/position.ts'
import { type Start, type StreamStart, startOf } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** `after`: where to start if `since` is in the future, because the client's clock is ahead. */
export type PinnedStreamStart = Position | { readonly since: number; readonly after: Position } | 'gap'

/** A start that does not move while it waits. */
export type PinnedStart = PinnedStreamStart | { readonly each: readonly PinnedStreamStart[] }

/** Pins "now", and a time in the future, to this moment. */
export const pinned = (start: Start, now: Now): PinnedStart =>
  typeof start === 'object' && 'each' in start ? { each: start.each.map(one => pin(one, now)) } : pin(start, now)

function pin(start: StreamStart, { seen, epoch }: Now): PinnedStreamStart {
  if (start === 'now') return { offset: seen, epoch }
  return typeof start === 'object' && 'since' in start ? { since: start.since, after: { offset: seen, epoch } } : start
}

/** Returns the earlier of both, or `gap` if that is not known. */
export function earlierOf(position: Position | 'gap', start: PinnedStart): Position | 'gap' {
  if (position === 'gap' || start === 'gap' || 'since' in start) return 'gap'
  if ('each' in start) return start.each.reduce<Position | 'gap'>(earlierOf, position)
  if (start.epoch !== position.epoch) return 'gap'
  return start.offset < position.offset ? start : position
}

export interface Now {
  readonly seen: number
  readonly epoch: string
}

/** Whether the start is a gap, without asking the broker. */
export const isLost = (start: Start, epoch: string): boolean =>
  start === 'gap' ||
  (typeof start === 'object' &&
    ('each' in start ? start.each.some(one => isLost(one, epoch)) : 'epoch' in start && start.epoch !== epoch))

/** A message of the history, or a held one. */
export type Missed = Entry | Message

/** Encodes the messages, without those that exclude a sid of the session. */
export function framesOf(
  { identifier }: Subscription,
  messages: readonly Missed[],
  epoch: string,
  answersTo: (sid: string) => boolean,
): Buffer[] {
  const frames: Buffer[] = []
  let prefix: Buffer | undefined
  for (const message of messages) {
    if ('payload' in message) {
      frames.push(textFrame(broadcastPrefix(identifier, message.type), message.payload))
      continue
    }
    const { stream, offset, message: text, exclude, type } = message
    if (exclude !== undefined && answersTo(exclude)) continue
    prefix ??= broadcastPrefix(identifier)
    const start = type === undefined ? prefix : broadcastPrefix(identifier, type)
    frames.push(textFrame(start, storedPayload(text, stream, { offset, epoch })))
  }
  return frames
}

/** Estimates the bytes of the messages' frames without encoding them. */
export function bytesOf(
  messages: readonly Missed[],
  { identifier, grant }: Subscription,
  { seen, epoch }: Now,
): number {
  if (messages.length === 0) return 0
  const longest = grant.streams.reduce((longest, stream) => (stream.length > longest.length ? stream : longest))
  const empty = storedPayload('', longest, { offset: seen, epoch })
  let bytes = messages.length * (broadcastPrefix(identifier).length + empty.length)
  for (const message of messages) {
    bytes += 'payload' in message ? message.payload.length : Buffer.byteLength(message.message)
    if (message.type !== undefined) bytes += Buffer.byteLength(message.type)
  }
  return bytes
}

/** The last offset that the client has after the replay; 0 if it is not known. */
export function lastOf(start: PinnedStart, entries: readonly Entry[]): number {
  const last = entries.at(-1)?.offset ?? 0
  if (start === 'gap') return last
  if ('each' in start) return Math.max(...start.each.map(one => lastOf(one, entries)))
  return 'offset' in start ? Math.max(last, start.offset) : last
}

/** The offset after which the client has all messages of the streams. `seen` is the newest one. */
export function coveredFrom(
  streams: readonly string[],
  start: PinnedStart,
  entries: readonly Entry[],
  seen: number,
): number {
  if (streams.length === 1) return coveredOf(startOf(start, 0), entries[0], seen)
  const first = (stream: string) => entries.find(entry => entry.stream === stream)
  return Math.max(0, ...streams.map((stream, at) => coveredOf(startOf(start, at), first(stream), seen)))
}

function coveredOf(start: PinnedStreamStart, first: Entry | undefined, seen: number): number {
  if (start !== 'gap' && 'offset' in start) return start.offset
  return first === undefined ? seen : first.offset - 1
}

export function whyGap(start: PinnedStart, epoch: string): GapCode {
  if (start === 'gap' || 'since' in start) return 'gap_position_unknown'
  const isOfThis = (one: PinnedStart) => !(typeof one === 'object' && 'epoch' in one) || one.epoch === epoch
  return ('each' in start ? start.each.every(isOfThis) : isOfThis(start)) ? 'gap_too_old' : 'gap_restarted'
}
