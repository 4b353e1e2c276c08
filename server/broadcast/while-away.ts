/**
 * Publications of a store that keeps each until the broker took it, and tries again: a row of an outbox, an entry of a stream.
 * While the broker is away they wait there, so no page misses them.
 */
import { BrokerUnavailable } from '../broker.ts'
import { RequestRefused } from '../errors.ts'
import type { Publish } from './backend.ts'

/** Publishes as `publish` does. Throws {@link RequestRefused} `broker_unavailable`, now or later, if the broker is away. */
export function refusedWhileAway(publish: Publish): Publish {
  const refuse = (error: unknown): never => {
    if (!(error instanceof BrokerUnavailable)) throw error
    throw new RequestRefused('broker_unavailable', undefined, { cause: error })
  }
  return publications => {
    try {
      const done = publish(publications)
      return done instanceof Promise ? done.catch(refuse) : done
    } catch (error) {
      return refuse(error)
    }
  }
}
