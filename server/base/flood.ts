/**
 * A bound on lines of one kind: clients and backends cause refusals, at any rate, and must not fill the log with them.
 */
import { Bucket, type Rate } from './rate.ts'

/** Lines of one kind. */
const RATE: Rate = { burst: 100, perSecond: 1 }

export interface Floods {
  /** Returns how many lines of this kind we left out before this one, or `undefined` if this one must be left out, too. */
  admit: (kind: string) => number | undefined
}

/** `monotonic` is any clock in ms that only rises. */
export function createFloods(monotonic: () => number): Floods {
  const kinds = new Map<string, { bucket: Bucket; left: number }>()

  return {
    admit(kind) {
      const flood = kinds.get(kind) ?? { bucket: new Bucket(), left: 0 }
      kinds.set(kind, flood)
      if (flood.bucket.wait(RATE, monotonic()) > 0) {
        flood.left++
        return undefined
      }
      flood.bucket.spend(1)
      const { left } = flood
      flood.left = 0
      return left
    },
  }
}
