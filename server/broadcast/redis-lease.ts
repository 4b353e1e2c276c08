/**
 * A lease in Redis: of all cables, one holds it, and another takes it over when the holder stops, dies or hangs.
 */
import type { RedisClient } from '../brokers/redis-client.ts'

export interface LeaseParts {
  key: string
  /** A random name of this cable. */
  holder: string
  /** How long the holder may hang. */
  ms: number
  monotonic: () => number
}

export interface Lease {
  /** Takes the lease, or renews it in time. Returns whether we have it. */
  holds: () => Promise<boolean>
  /** Whether we had the lease already when we last asked, so that no other cable has had it in between. */
  readonly wasOurs: boolean
  /** Lets another cable take it at once. */
  release: () => Promise<void>
}

const RENEW_MS = 1_000

export function createLease(client: RedisClient, { key, holder, ms, monotonic }: LeaseParts): Lease {
  let renewedAt = Number.NEGATIVE_INFINITY
  let wasOurs = false
  return {
    async holds() {
      const now = monotonic()
      if (now - renewedAt < RENEW_MS) return true
      const had = await client.eval(TAKE, { keys: [key], arguments: [holder, String(ms)] })
      wasOurs = had === 'ours'
      renewedAt = had === 'other' ? Number.NEGATIVE_INFINITY : now
      return had !== 'other'
    },
    get wasOurs() {
      return wasOurs
    },
    async release() {
      await client.eval(RELEASE, { keys: [key], arguments: [holder] })
    },
  }
}

/**
 * KEYS: lease. ARGV: holder, ms. Returns which cable had the lease. A Redis whose memory is full writes no lease: entries may
 * fill it, so a cable must read them.
 */
const TAKE = `
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 'none'
end
if holder ~= ARGV[1] then return 'other' end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'ours'`

/** KEYS: lease. ARGV: holder. */
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`
