/**
 * Presence in Redis: members of a stream, whichever node they are connected to.
 *
 *   join ─▶ Lua: member, event ─▶ Pub/Sub          each node ─▶ renew its lease ─▶ Lua: remove what is due
 *
 * A session belongs to its node's lease, so the members of a node that died leave after --presence_ttl. A node whose lease has
 * ended, or that meets another epoch, takes another name and writes its members again: those of the old name may be leaving.
 * What a node could not say while Redis was away it says later.
 */
import { randomLetters } from '../base/random.ts'
import { BrokerUnavailable } from '../broker.ts'
import { type Attendance, eventMessage, type Presence, printRecord } from '../presence/presence.ts'
import type { RedisBroker } from './redis.ts'
import type { Life } from './redis-life.ts'

export interface RedisPresenceParts {
  broker: Pick<RedisBroker, 'ask'>
  ttlSeconds: number
  /** Bytes of the records of one answer. */
  maxAnswerBytes: number
  /** Calls `then` each so many ms, until the broker stops. */
  every: (ms: number, then: () => void) => void
  failed: (error: unknown) => void
}

interface Member {
  readonly id: string
  readonly info: string | undefined
}

const UPKEEP_MS = 1_000

export function createRedisPresence(parts: RedisPresenceParts): Presence {
  const { broker, ttlSeconds, maxAnswerBytes, every, failed } = parts
  const ttlMs = ttlSeconds * 1000
  /** The sessions of this node that have joined or tried to: sid ─▶ stream ─▶ member. */
  const sessions = new Map<string, Map<string, Member>>()
  /** What Redis has not heard. */
  const owed = new Map<string, (life: Life) => Promise<void>>()
  let epoch = ''
  let node = ''

  const report = (error: unknown) => {
    if (!(error instanceof BrokerUnavailable)) failed(error)
  }

  const say = (name: string, tell: (life: Life) => Promise<void>): Promise<void> =>
    broker.ask(tell).then(
      () => void owed.delete(name),
      error => {
        owed.set(name, tell)
        throw error
      },
    )

  const write = (life: Life, stream: string, sid: string, { id, info }: Member) => {
    const { message } = eventMessage({ stream, type: 'join', id, info })
    return life.call<'joined' | 'mismatch' | 'lease'>(
      'join',
      node,
      stream,
      sid,
      JSON.stringify(id),
      info ?? '',
      message,
    )
  }

  async function renew(life: Life): Promise<void> {
    if (life.epoch === epoch && (await life.call<'ended' | null>('renew', node, ttlMs, 0)) === null) return
    epoch = life.epoch
    node = randomLetters(8)
    await life.call('renew', node, ttlMs, 1)
    const all = [...sessions].flatMap(([sid, streams]) =>
      Array.from(streams, ([stream, member]) => write(life, stream, sid, member)),
    )
    await Promise.all(all)
  }

  every(UPKEEP_MS, () => {
    const all = [broker.ask(renew), ...Array.from(owed, ([name, tell]) => say(name, tell))]
    for (const one of all) one.catch(report)
  })

  return {
    async join(stream, sid, id, info) {
      const streams = sessions.get(sid) ?? new Map<string, Member>()
      sessions.set(sid, streams)
      const known = streams.get(stream)
      if (known !== undefined && known.id !== id) return 'mismatch'
      const member = { id, info }
      streams.set(stream, member)
      owed.delete(`${sid} ${stream}`)
      try {
        return await broker.ask(async life => {
          // (Redis gets it before the session joins.)
          if (life.epoch !== epoch) renew(life).catch(report)
          const joined = await write(life, stream, sid, member)
          if (joined !== 'lease') return joined
          await renew(life)
          return 'joined'
        })
      } catch (error) {
        if (streams.get(stream) === member && known === undefined) streams.delete(stream)
        throw error
      }
    },
    async leave(stream, sid) {
      if (!sessions.get(sid)?.delete(stream)) return
      await say(`${sid} ${stream}`, life => life.call('leave', stream, sid))
    },
    async lost(sid) {
      if (!sessions.delete(sid)) return
      await say(sid, life => life.call('lost', sid, ttlMs))
    },
    async present(stream, maxBytes = maxAnswerBytes): Promise<Attendance> {
      const asked = broker.ask(life => life.call<readonly [number, ...string[]]>('present', stream, maxBytes))
      const [total, ...found] = await asked
      const records: string[] = []
      let left = maxBytes
      for (let at = 0; at < found.length; at += 2) {
        const record = printRecord(JSON.parse(found[at]!), found[at + 1] || undefined)
        left -= Buffer.byteLength(record) + 1
        if (left < 0) break
        records.push(record)
      }
      return { total, records }
    },
  }
}
