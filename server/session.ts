/**
 * One connected client: who it is, what it is subscribed to, and its commands in strict order.
 *
 * The order matters: Turbo leaves a page and enters the next with unsubscribe and subscribe of the same identifier in
 * quick succession. Where the protocol has no answer (an unknown command, a second subscribe) the client is told
 * nothing; the operator is. No sockets, no timers: a session is handed what it needs.
 */
import type { Resolve } from './channels.ts'
import { type ComplaintCode, type EndingCode, type RejectionCode, SubscriptionRejected } from './errors.ts'
import type { Hub, Subscriber } from './hub.ts'
import type { Log } from './log.ts'
import {
  type Command,
  confirmSubscription,
  disconnect,
  parseCommand,
  rejectSubscription,
  welcome,
} from './protocol/action-cable.ts'

/** What a session needs from the world, so that a test can supply it. */
export interface SessionParts {
  resolve: Resolve
  hub: Pick<Hub, 'subscribe' | 'unsubscribe'>
  /** Takes a complete WebSocket frame. */
  send: (frame: Buffer) => void
  /** Ends the connection after what was sent. */
  close: (code: EndingCode) => void
  /** Counts what went wrong, by code. */
  count: (code: ComplaintCode | RejectionCode | EndingCode) => void
  log: Log
  limits: { maxSubscriptions: number; maxIdentifierLength: number }
  /** Whether refusals tell the client their code (--dev). */
  explain: boolean
}

export class Session implements Subscriber {
  readonly sid: string
  readonly identity: string
  readonly #parts: SessionParts
  readonly #subscriptions = new Map<string, string>() // identifier → stream
  #ended = false

  constructor(sid: string, identity: string, parts: SessionParts) {
    this.sid = sid
    this.identity = identity
    this.#parts = parts
    parts.send(welcome(sid))
  }

  deliver(frame: Buffer): void {
    this.#parts.send(frame)
  }

  /** One message of the client; `undefined` for one that is not even text. Never throws. */
  receive(text: string | undefined): void {
    if (this.#ended) return
    const command = text === undefined ? undefined : parseCommand(text)
    if (command === undefined) return this.#complain('command_malformed')
    switch (command.command) {
      case 'subscribe':
        return this.#subscribe(command)
      case 'unsubscribe':
        return this.#unsubscribe(command)
      case 'pong':
        return
      case 'message':
        return this.#complain('command_unsupported')
      default:
        return this.#complain('command_unknown')
    }
  }

  /** Ends it from our side: the client is told why, then the connection closes. */
  disconnect(code: EndingCode, reconnect?: boolean): void {
    if (this.#ended) return
    const { send, close, count, explain } = this.#parts
    this.end()
    count(code)
    send(disconnect(code, explain, reconnect))
    close(code)
  }

  /** The connection is gone or going: nothing more is delivered, nothing more is heard. */
  end(): void {
    this.#ended = true
    for (const [identifier, stream] of this.#subscriptions) this.#parts.hub.unsubscribe(stream, identifier, this)
    this.#subscriptions.clear()
  }

  #subscribe({ identifier }: Command): void {
    const { resolve, hub, send, limits } = this.#parts
    if (this.#subscriptions.has(identifier)) return this.#complain('already_subscribed')
    try {
      if (identifier === '') throw new SubscriptionRejected('identifier_missing')
      if (identifier.length > limits.maxIdentifierLength) throw new SubscriptionRejected('identifier_too_long')
      if (this.#subscriptions.size >= limits.maxSubscriptions) throw new SubscriptionRejected('subscriptions_limit')
      const { stream } = resolve(identifier)
      this.#subscriptions.set(identifier, stream)
      // Confirmed first, then live: a client drops what it is sent before it knows that it is subscribed.
      send(confirmSubscription(identifier))
      hub.subscribe(stream, identifier, this)
    } catch (error) {
      if (!(error instanceof SubscriptionRejected)) throw error
      this.#reject(identifier, error)
    }
  }

  #reject(identifier: string, { code, message }: SubscriptionRejected): void {
    const { send, count, log, explain } = this.#parts
    count(code)
    log.warn({ sid: this.sid, code }, `subscription rejected: ${message}`)
    send(rejectSubscription(identifier, code, explain))
  }

  #unsubscribe({ identifier }: Command): void {
    const stream = this.#subscriptions.get(identifier)
    if (stream === undefined) return this.#complain('not_subscribed')
    this.#subscriptions.delete(identifier)
    this.#parts.hub.unsubscribe(stream, identifier, this)
  }

  #complain(code: ComplaintCode): void {
    this.#parts.count(code)
    // A flood of these is a client's to make, so it must not be a flood of the log.
    this.#parts.log.debug({ sid: this.sid, code }, 'command ignored')
  }
}
