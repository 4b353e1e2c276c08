/**
 * The subscriptions of one session, by identifier; bounded in number and in the bytes of their identifiers.
 */

import { sizeOf } from '../base/size.ts'
import type { StreamGrant } from '../channels/channels.ts'
import { SubscriptionRejected } from '../errors.ts'
import type { Limits } from './limits.ts'

export interface Subscription {
  readonly identifier: string
  readonly grant: StreamGrant
  state: 'waiting' | 'live' | 'over'
  /** Once live: the client gets every message after this offset. */
  covered: number
  /** Whether this session confirmed it. The welcome, not a confirmation, names a restored one. */
  confirmed: boolean
  /** Whether its page has to refresh. After that the page makes another subscription, and leaves this one. */
  healing: boolean
}

export class Subscriptions {
  readonly #byIdentifier = new Map<string, Subscription>()
  /** Bytes of all identifiers. */
  #bytes = 0

  get(identifier: string): Subscription | undefined {
    return this.#byIdentifier.get(identifier)
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#byIdentifier.values()
  }

  /** Throws {@link SubscriptionRejected} if a session may not hold this identifier beside those it has. */
  check(identifier: string, limits: Limits): void {
    if (identifier === '') throw new SubscriptionRejected('identifier_missing')
    if (identifier.length > limits.maxIdentifierLength) throw new SubscriptionRejected('identifier_too_long')
    if (this.#byIdentifier.size >= limits.maxSubscriptions) throw new SubscriptionRejected('subscriptions_limit')
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
    this.#byIdentifier.set(identifier, subscription)
    this.#bytes += sizeOf(identifier)
    return subscription
  }

  delete({ identifier }: Subscription): void {
    if (this.#byIdentifier.delete(identifier)) this.#bytes -= sizeOf(identifier)
  }

  clear(): void {
    this.#byIdentifier.clear()
    this.#bytes = 0
  }
}
