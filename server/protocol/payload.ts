/**
 * A payload: the part of a broadcast's frame after the identifier, that is, the message and the end of the frame.
 *
 *   "<b>hi</b>"}                                             not in the history
 *   "<b>hi</b>","stream_id":"a","epoch":"aZ3x","offset":12}  in the history
 *
 * A payload has the same bytes for every subscription of a stream. Pure.
 */
import type { Position } from './position.ts'

declare const closed: unique symbol

/** UTF-8. */
export type Payload = Buffer & { readonly [closed]: true }

/** `message` is JSON text. */
export const payloadOf = (message: string): Payload => Buffer.from(`${message}}`) as Payload

/** `message` is JSON text. */
export const storedPayload = (message: string, stream: string, { epoch, offset }: Position): Payload =>
  Buffer.from(`${message},"stream_id":${JSON.stringify(stream)},"epoch":"${epoch}","offset":${offset}}`) as Payload
