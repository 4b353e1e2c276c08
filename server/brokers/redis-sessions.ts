/**
 * Sessions in Redis, so that a client may resume its session on any node.
 *
 *   welcome ─▶ add ─▶ update … ─▶ lost: keep ─▶ take, once
 *                 ╰▶ prolonged while it is connected, so that it outlives its node by --sessions_ttl
 *
 * A session that was taken, or spent by a remote disconnect, stays so: a later state is stored only if Redis has an earlier
 * one. A new epoch begins without sessions: their clients subscribe anew.
 */
import type { Soon } from '../base/soon.ts'
import { unawaited } from '../broker.ts'
import type { RedisBroker } from './redis.ts'

/** A session as its node knows it. JSON holds it. */
export interface Snapshot {
  readonly identity: string
  readonly anonymous: boolean
  readonly sids: readonly string[]
}

type Owner = Pick<Snapshot, 'identity' | 'anonymous'>

export interface RedisSessionsParts {
  broker: Pick<RedisBroker, 'ask'>
  ttlSeconds: number
  /** Calls `then` each so many ms, until the broker stops. */
  every: (ms: number, then: () => void) => void
  failed: (error: unknown) => void
}

export interface RedisSessions<S extends Snapshot> {
  keep: (snapshot: S) => Promise<void>
  take: (sid: string, caller: Owner) => Promise<S | undefined>
  forget: (identity: string) => Promise<void>
  readonly connected: {
    readonly batchMs: number
    add: (snapshot: S) => Promise<void>
    update: (snapshot: S) => Promise<void>
    delete: (sid: string) => Promise<void>
  }
}

/** Sessions that we prolong by one call. */
const MOST = 200

export function createRedisSessions<S extends Snapshot>(parts: RedisSessionsParts): RedisSessions<S> {
  const { broker, ttlSeconds, every, failed } = parts
  const pauseSeconds = Math.max(1, Math.ceil(ttlSeconds / 3))
  const longSeconds = ttlSeconds + 2 * pauseSeconds
  /** The connected sessions of this node. */
  const connected = new Set<string>()

  const store = (snapshot: S, seconds: number, isKnown: '0' | '1'): Promise<void> => {
    const { identity, anonymous, sids } = snapshot
    const owner = [identity, flag(anonymous)]
    return broker.ask(life => life.call('keep', sids[0]!, ...owner, JSON.stringify(snapshot), seconds, isKnown))
  }

  function prolong(sids: readonly string[]): Soon<void> {
    if (sids.length === 0) return
    return broker.ask(async life => {
      const had = await life.call<number[]>('prolong', longSeconds, ...sids)
      // Another node took it, or it was spent: our session is about to end.
      for (const [at, sid] of sids.entries()) if (had[at] === 0) connected.delete(sid)
    })
  }

  every(pauseSeconds * 1000, () => {
    const sids = [...connected]
    for (let at = 0; at < sids.length; at += MOST) unawaited(prolong(sids.slice(at, at + MOST)), failed)
  })

  return {
    keep(snapshot) {
      connected.delete(snapshot.sids[0]!)
      return store(snapshot, ttlSeconds, '1')
    },
    async take(sid, { identity, anonymous }) {
      const found = await broker.ask(life => life.call<string | null>('take', sid, identity, flag(anonymous)))
      return found === null ? undefined : (JSON.parse(found) as S)
    },
    forget: identity => broker.ask(life => life.call('spend', identity)),
    connected: {
      batchMs: 50,
      add(snapshot) {
        connected.add(snapshot.sids[0]!)
        return store(snapshot, longSeconds, '0')
      },
      update: snapshot => store(snapshot, longSeconds, '1'),
      delete(sid) {
        connected.delete(sid)
        return broker.ask(life => life.call('drop', sid))
      },
    },
  }
}

const flag = (is: boolean): '0' | '1' => (is ? '1' : '0')
