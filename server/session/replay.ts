/**
 * A replay: the messages that a subscription missed, as frames. Pure.
 */
import type { Entry } from '../broker.ts'
import type { GapCode } from '../errors.ts'
import type { Message } from '../hub/hub.ts'
import { broadcastPrefix } from '../protocol/action-cable.ts'
import { textFrame } from '../protocol/frame.ts'
import { positionTail } from '../protocol/payload.ts'
import type { Start } from './start.ts'
import type { Subscription } from './subscriptions.ts'

/** A message of the history, or a held one. */
export type Missed = Entry | Message

/** Encodes the messages, without those that exclude a sid of the session. */
export function framesOf(
  { identifier, grant }: Subscription,
  messages: readonly Missed[],
  epoch: string,
  answersTo: (sid: string) => boolean,
): Buffer[] {
  const frames: Buffer[] = []
  let prefix: Buffer | undefined
  for (const message of messages) {
    if (!('body' in message)) {
      frames.push(textFrame(broadcastPrefix(identifier, message.type), message.payload))
      continue
    }
    const { offset, body, exclude } = message
    if (exclude !== undefined && answersTo(exclude)) continue
    prefix ??= broadcastPrefix(identifier)
    frames.push(textFrame(prefix, body, positionTail(grant.stream, { offset, epoch })))
  }
  return frames
}

/** Estimates the bytes of the messages' frames without encoding them. */
export function bytesOf(
  messages: readonly Missed[],
  { identifier, grant }: Subscription,
  position: { readonly seen: number; readonly epoch: string },
): number {
  if (messages.length === 0) return 0
  const tail = positionTail(grant.stream, { offset: position.seen, epoch: position.epoch })
  let bytes = messages.length * (broadcastPrefix(identifier).length + tail.length)
  for (const message of messages) bytes += ('body' in message ? message.body : message.payload).length
  return bytes
}

/** The last offset that the client has after the replay; 0 if it is not known. */
export const lastOf = (start: Exclude<Start, 'now'>, entries: readonly Entry[]): number =>
  entries.at(-1)?.offset ?? (start !== 'gap' && 'offset' in start ? start.offset : 0)

/** The offset after which the client has all messages. `seen` is the newest one. */
export function coveredFrom(start: Exclude<Start, 'now'>, [first]: readonly Entry[], seen: number): number {
  if (start !== 'gap' && 'offset' in start) return start.offset
  return first === undefined ? seen : first.offset - 1
}

export const whyGap = (start: Exclude<Start, 'now'>, epoch: string): GapCode =>
  start === 'gap' || 'since' in start ? 'gap_position_unknown' : start.epoch === epoch ? 'gap_too_old' : 'gap_restarted'
