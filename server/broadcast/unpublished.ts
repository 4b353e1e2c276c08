/**
 * Publications that the broker did not take, because it was away. Their backends got a 503 and may never retry, so the pages
 * of these streams must refresh once the broker is back.
 */
import type { Soon } from '../base/soon.ts'
import { type Broker, BrokerUnavailable, type Lost } from '../broker.ts'
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
  /** By stream and id. */
  const failed = new Map<string, Lost>()
  let isTooMany = false
  let isWaiting = false

  function refuse(publications: readonly Publication[], error: unknown): never {
    if (!(error instanceof BrokerUnavailable)) throw error
    for (const { stream, id } of publications) {
      if (failed.size >= MOST) isTooMany = true
      else failed.set(JSON.stringify([stream, id]), id === undefined ? { stream } : { stream, id })
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
    const lost = [...failed]
    const isAll = isTooMany
    failed.clear()
    isTooMany = false
    try {
      // (A retry may have brought a message, to any node: then no page misses it.)
      await forget(isAll ? 'all' : lost.map(([, one]) => one))
    } catch (error) {
      if (!(error instanceof BrokerUnavailable)) throw error
      for (const [key, one] of lost) failed.set(key, one)
      isTooMany ||= isAll
      wait()
    }
  }

  return publications => {
    let done: Soon<readonly Publication[]>
    try {
      done = publish(publications)
    } catch (error) {
      return refuse(publications, error)
    }
    return done instanceof Promise ? done.catch(error => refuse(publications, error)) : done
  }
}
