/**
 * The subscriptions of one session, by identifier; bounded in number and in the bytes of their identifiers.
 */

import { sizeOf } from '../base/size.ts'
import type { StreamGrant } from '../channels/channels.ts'
import { SubscriptionRejected } from '../errors.ts'
import type { Limits } from './limits.ts'

export interface Subscription {
  readonly identifier: string
  /** The application may change it once the subscription is live. */
  grant: StreamGrant
  /** `following`: its replay is over, but the feed is behind it, so that it is not in the hub yet. */
  state: 'waiting' | 'following' | 'live' | 'over'
  /** After the replay: the client has, or gets, every message after this offset. */
  covered: number
  /** Whether this session confirmed it. The welcome, not a confirmation, names a restored one. */
  confirmed: boolean
  /** Whether its page has to refresh. After that the page makes another subscription, and leaves this one. */
  healing: boolean
}

export class Subscriptions {
  /** The subscription of a session that has one, as most have: a Map of one takes 200 bytes. */
  #only: Subscription | undefined
  /** By identifier, once a session has had two. */
  #all: Map<string, Subscription> | undefined
  /** Bytes of all identifiers. */
  #bytes = 0

  get(identifier: string): Subscription | undefined {
    if (this.#all !== undefined) return this.#all.get(identifier)
    return this.#only?.identifier === identifier ? this.#only : undefined
  }

  [Symbol.iterator](): Iterator<Subscription> {
    if (this.#all !== undefined) return this.#all.values()
    return (this.#only === undefined ? [] : [this.#only]).values()
  }

  get #count(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1)
  }

  /** Throws {@link SubscriptionRejected} if a session may not hold this identifier beside those it has. */
  check(identifier: string, limits: Limits): void {
    if (identifier === '') throw new SubscriptionRejected('identifier_missing')
    if (identifier.length > limits.maxIdentifierLength) throw new SubscriptionRejected('identifier_too_long')
    if (this.#count >= limits.maxSubscriptions) throw new SubscriptionRejected('subscriptions_limit')
    if (this.#bytes + sizeOf(identifier) > limits.maxIdentifiersSize)
      throw new SubscriptionRejected('identifiers_limit')
  }

  add(identifier: string, grant: StreamGrant): Subscription {
    const subscription: Subscription = {
      identifier,
      grant,
      state: 'waiting',
      covered: 0,
      confirmed: false,
      healing: false,
    }
    this.#bytes += sizeOf(identifier)
    if (this.#all === undefined && this.#only !== undefined) {
      this.#all = new Map([[this.#only.identifier, this.#only]])
      this.#only = undefined
    }
    if (this.#all === undefined) this.#only = subscription
    else this.#all.set(identifier, subscription)
    return subscription
  }

  delete({ identifier }: Subscription): void {
    if (this.get(identifier) === undefined) return
    this.#bytes -= sizeOf(identifier)
    this.#only = undefined
    this.#all?.delete(identifier)
  }

  clear(): void {
    this.#only = undefined
    this.#all = undefined
    this.#bytes = 0
  }
}
