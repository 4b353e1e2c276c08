/**
 * Asks for a WebSocket, and keeps what a client library hides: the status, the headers and the body of a refusal, the
 * connection's address and its certificate.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type Answer, type Failure, failureOf, read, request } from './ask.ts'
import { Conversation } from './conversation.ts'

export interface Connected {
  /** `203.0.113.7:443` */
  readonly address: string
  readonly tls?: { readonly version: string; readonly daysLeft: number }
}

export type SocketVisit =
  | { readonly kind: 'unreachable'; readonly failure: Failure }
  | { readonly kind: 'silent'; readonly connected: Connected; readonly failure: Failure }
  | { readonly kind: 'refused'; readonly connected: Connected; readonly answer: Answer }
  | {
      readonly kind: 'open'
      readonly connected: Connected
      readonly answer: Answer
      /** Whether the answer to the key is right. */
      readonly isAccepted: boolean
      readonly conversation: Conversation
    }

export interface Handshake {
  readonly origin: string
  readonly protocols: readonly string[]
  readonly timeoutMs: number
}

export function openSocket(url: URL, { origin, protocols, timeoutMs }: Handshake): Promise<SocketVisit> {
  const key = randomBytes(16).toString('base64')
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    origin,
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    'sec-websocket-protocol': protocols.join(', '),
  }
  return new Promise<SocketVisit>(resolve => {
    const sent = request(url, { headers })
    let connected: Connected | undefined
    const fail = (failure: Failure) => {
      clearTimeout(timer)
      resolve(connected === undefined ? { kind: 'unreachable', failure } : { kind: 'silent', connected, failure })
    }
    const timer = setTimeout(() => {
      fail({ code: 'TIMEOUT', message: `no answer in ${timeoutMs / 1000} s` })
      sent.destroy()
    }, timeoutMs)
    sent.on('error', error => fail(failureOf(error)))
    sent.on('socket', socket => {
      const event = socket instanceof TLSSocket ? 'secureConnect' : 'connect'
      socket.once(event, () => {
        connected = describe(socket)
      })
    })
    sent.on('upgrade', (response, socket, head) => {
      clearTimeout(timer)
      const { statusCode: status = 0, headers } = response
      resolve({
        kind: 'open',
        connected: connected ?? describe(socket as Socket),
        answer: { status, headers, body: '', arrivedAt: Date.now() },
        isAccepted: headers['sec-websocket-accept'] === acceptOf(key),
        conversation: new Conversation(socket, head),
      })
    })
    sent.on('response', response => {
      const at = connected ?? describe(response.socket)
      read(response).then(answer => {
        clearTimeout(timer)
        resolve({ kind: 'refused', connected: at, answer })
        sent.destroy()
      }, fail)
    })
    sent.end()
  }).catch(error => ({ kind: 'unreachable', failure: failureOf(error) })) // such as a token that no header can hold
}

function describe(socket: Socket): Connected {
  const { remoteAddress = '', remotePort = 0 } = socket
  const address = `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`
  if (!(socket instanceof TLSSocket)) return { address }
  const daysLeft = Math.floor((Date.parse(socket.getPeerCertificate().valid_to) - Date.now()) / 86_400_000)
  return { address, tls: { version: socket.getProtocol() ?? 'TLS', daysLeft } }
}

/** RFC 6455, 1.3 */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
