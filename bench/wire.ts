/**
 * The bytes that clients and backends of the bench send.
 */
import { randomBytes } from 'node:crypto'

/** An upgrade request. */
export const upgradeRequest = (path: string, protocols: readonly string[] = []): string =>
  [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...(protocols.length > 0 ? [`Sec-WebSocket-Protocol: ${protocols.join(', ')}`] : []),
    '\r\n',
  ].join('\r\n')

/** A text frame of a client: masked. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const mask = randomBytes(4)
  for (let i = 0; i < payload.length; i++) payload[i] = payload[i]! ^ mask[i % 4]!
  const head =
    payload.length < 126
      ? Buffer.from([0x81, 0x80 | payload.length])
      : Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([head, mask, payload])
}

/** A POST on a connection that stays open. */
export const postRequest = (path: string, body: string, headers: readonly string[] = []): Buffer =>
  Buffer.from(
    [
      `POST ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      '',
      body,
    ].join('\r\n'),
  )

/** `bytes` of a Turbo stream. */
export function turboStream(bytes: number): string {
  const [before, after] = [
    '<turbo-stream action="append" target="messages"><template><div id="message_1" class="message">',
    '</div></template></turbo-stream>',
  ]
  return before + filler(bytes - before.length - after.length) + after
}

/** Text that is the same length in any encoding. */
export const filler = (bytes: number): string => 'Hello, this is live. '.repeat(Math.ceil(bytes / 21)).slice(0, bytes)
