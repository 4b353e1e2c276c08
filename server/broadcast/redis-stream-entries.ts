/**
 * The commands of a reader of a Redis stream, over one connection.
 */
import type { RedisConnection } from '../brokers/redis-client.ts'
import type { RequestRefused } from '../errors.ts'

/** Settings, by their names. */
export interface StreamSettings {
  readonly redisx_stream: string
  readonly redisx_group: string
  readonly redisx_read_block_milliseconds: number
  readonly redis_prefix: string
}

export interface StreamEntry {
  readonly id: string
  /** Another program deleted it after a consumer read it. */
  readonly isDeleted: boolean
  readonly payload: Buffer | undefined
}

export interface Entries {
  /** Names one life of Redis. */
  runId: () => Promise<string>
  /** Returns false if the group exists. `$`: it begins with the next entry; `0`: with the first. */
  createGroup: (from: '$' | '0') => Promise<boolean>
  /** Takes over entries that other consumers read so many ms ago, and did not finish. */
  claim: (idleMs: number) => Promise<void>
  /** The first entries that our consumer read, and did not finish. */
  unfinished: () => Promise<readonly StreamEntry[]>
  /** The next entries, as far as they are here. */
  waiting: () => Promise<readonly StreamEntry[]>
  /** The next entries. Waits for one. */
  next: () => Promise<readonly StreamEntry[]>
  finish: (ids: readonly string[]) => Promise<void>
  /** Sets an entry aside. Returns false if it could only delete it, because the memory of Redis is full. */
  park: (id: string, refusal: Pick<RequestRefused, 'code' | 'message'>) => Promise<boolean>
}

/** Entries that we hold in memory. Each may be as large as Redis allows. */
export const BATCH = 32
const CONSUMER = 'hotcable'
/** A longer wait would look like a dead connection. */
const LONGEST_BLOCK_MS = 4_000

/** How long one read waits. */
export const blockMsOf = (settings: StreamSettings): number =>
  Math.min(settings.redisx_read_block_milliseconds, LONGEST_BLOCK_MS)

export function createEntries(settings: StreamSettings, { client, bytes }: RedisConnection): Entries {
  const { redisx_stream: stream, redisx_group: group, redis_prefix: prefix } = settings
  const blockMs = blockMsOf(settings)

  const read = async (...from: readonly string[]): Promise<StreamEntry[]> => {
    const answer = await bytes(['XREADGROUP', 'GROUP', group, CONSUMER, 'COUNT', String(BATCH), ...from])
    const found = Object.values((answer ?? {}) as Record<string, RawEntry[]>)
    return found.flat().map(entryOf)
  }
  return {
    async runId() {
      return /run_id:(\w+)/.exec(await client.info('server'))?.[1] ?? ''
    },
    async createGroup(from) {
      try {
        await client.xGroupCreate(stream, group, from, { MKSTREAM: true })
        return true
      } catch (error) {
        // (A Redis whose memory is full does not look whether the group exists.)
        if (/^(BUSYGROUP|OOM) /.test((error as Error).message)) return false
        throw error
      }
    },
    async claim(idleMs) {
      let from = '0-0'
      do {
        const options = [String(idleMs), from, 'COUNT', String(BATCH), 'JUSTID']
        const [next] = await client.sendCommand<[string]>(['XAUTOCLAIM', stream, group, CONSUMER, ...options])
        from = next
      } while (from !== '0-0')
    },
    unfinished: () => read('STREAMS', stream, '0'),
    waiting: () => read('STREAMS', stream, '>'),
    next: () => read('BLOCK', String(blockMs), 'STREAMS', stream, '>'),
    async finish(ids) {
      await Promise.all([client.xAck(stream, group, [...ids]), client.xDel(stream, [...ids])])
    },
    async park(id, { code, message }) {
      const keys = [stream, `${prefix}refused:${stream}`]
      return (await client.eval(PARK, { keys, arguments: [group, id, code, message] })) === 1
    },
  }
}

/** A deleted entry has no fields. */
type RawEntry = readonly [id: Buffer, fields: readonly Buffer[] | null]

function entryOf([id, fields]: RawEntry): StreamEntry {
  const at = (fields ?? []).findIndex((field, index) => index % 2 === 0 && String(field) === 'payload')
  return { id: String(id), isDeleted: fields === null, payload: at < 0 ? undefined : fields?.[at + 1] }
}

/**
 * Moves an entry to the stream of refused ones, which keeps 1,000 entries and the first 64 KiB of each. KEYS: stream, refused
 * ones. ARGV: group, id, code, reason. Returns 0 if it could only delete it: the memory of Redis may be full of what waits
 * behind it.
 */
const PARK = `
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
local parked = 1
if found then
  local row = {'XADD', KEYS[2], 'MAXLEN', '1000', '*', 'id', ARGV[2], 'code', ARGV[3], 'reason', ARGV[4]}
  for at = 1, #found[2], 2 do
    if found[2][at] == 'payload' then
      row[#row + 1] = 'payload'
      row[#row + 1] = string.sub(found[2][at + 1], 1, 65536)
    end
  end
  if redis.pcall(unpack(row)).err then parked = 0 end
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return parked`
