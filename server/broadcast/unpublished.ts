/**
 * Publications that the broker did not take, because it was away. Their backends got a 503 and may never retry, so the pages
 * of these streams must refresh once the broker is back.
 */
import { type Soon, soon } from '../base/soon.ts'
import { type Broker, BrokerUnavailable } from '../broker.ts'
import { RequestRefused } from '../errors.ts'
import type { Publication } from '../protocol/publication.ts'

export interface UnpublishedParts {
  publish: Broker['publish']
  forget: Broker['forget']
  /** Calls `then` after so many ms. */
  later: (ms: number, then: () => void) => void
}

/** How many publications we remember; beyond these all pages refresh. */
const MOST = 10_000
const RETRY_MS = 1_000

/** Publishes as the broker does. Throws {@link RequestRefused} `broker_unavailable`, now or later, if the broker is away. */
export function withUnpublishedHealed({ publish, forget, later }: UnpublishedParts): Broker['publish'] {
  /** Streams, by the id of the publication, or by the publication if it has none. */
  const failed = new Map<unknown, string>()
  let isTooMany = false
  let isWaiting = false

  function refuse(publications: readonly Publication[], error: unknown): never {
    if (!(error instanceof BrokerUnavailable)) throw error
    for (const publication of publications) {
      if (failed.size >= MOST) isTooMany = true
      else failed.set(publication.id ?? publication, publication.stream)
    }
    wait()
    throw new RequestRefused('broker_unavailable', undefined, { cause: error })
  }

  function wait(): void {
    if (isWaiting) return
    isWaiting = true
    later(RETRY_MS, () => {
      isWaiting = false
      void heal()
    })
  }

  async function heal(): Promise<void> {
    if (failed.size === 0) return
    const names = isTooMany ? 'all' : [...new Set(failed.values())]
    const healed = [...failed.keys()]
    try {
      await forget(names)
      for (const key of healed) failed.delete(key)
      isTooMany = false
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error
      wait()
    }
  }

  /** A retry brought the message, so no page misses it. */
  const took = (published: readonly Publication[]): readonly Publication[] => {
    if (failed.size > 0) for (const { id } of published) failed.delete(id)
    return published
  }

  return publications => {
    let done: Soon<readonly Publication[]>
    try {
      done = soon(publish(publications), took)
    } catch (error) {
      return refuse(publications, error)
    }
    return done instanceof Promise ? done.catch(error => refuse(publications, error)) : done
  }
}
