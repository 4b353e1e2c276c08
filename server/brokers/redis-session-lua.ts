/**
 * The functions of the sessions in Redis.
 *
 *   <prefix>:<epoch>:r:<sid>        a session: i (identity), a (1: anonymous), s (JSON)
 *   <prefix>:<epoch>:u:<identity>   its sids, by the Unix seconds of their end
 */
import { EXPECT } from './redis-expect.ts'

/** The keys of the session `sid`, and of the sessions of an identity. */
const SESSION = `
local function session(sid) return mine .. ':r:' .. sid end
local function sessions(identity) return mine .. ':u:' .. identity end
`

export const SESSIONS = {
  /** Stores a session. ARGV: epoch, sid, identity, 1 if it is anonymous, JSON, seconds, 1: only if we have it. */
  keep: `
${EXPECT}
${SESSION}
local key, own, seconds = session(ARGV[2]), sessions(ARGV[3]), tonumber(ARGV[6])
if ARGV[7] == '1' and redis.call('EXISTS', key) == 0 then return end
redis.call('HSET', key, 'i', ARGV[3], 'a', ARGV[4], 's', ARGV[5])
redis.call('EXPIRE', key, seconds)
redis.call('ZREMRANGEBYSCORE', own, '-inf', now)
redis.call('ZADD', own, now + seconds, ARGV[2])
redis.call('EXPIRE', own, 2 * seconds)`,

  /** Removes and returns a session, if it is the caller's. ARGV: epoch, sid, identity, 1 if the caller is anonymous. */
  take: `
${EXPECT}
${SESSION}
local found = redis.call('HMGET', session(ARGV[2]), 'i', 'a', 's')
if not found[1] or found[2] ~= ARGV[4] or (ARGV[4] ~= '1' and found[1] ~= ARGV[3]) then return false end
redis.call('DEL', session(ARGV[2]))
redis.call('ZREM', sessions(found[1]), ARGV[2])
return found[3]`,

  /** Removes a session. ARGV: epoch, sid. */
  drop: `
${EXPECT}
${SESSION}
local identity = redis.call('HGET', session(ARGV[2]), 'i')
if not identity then return end
redis.call('DEL', session(ARGV[2]))
redis.call('ZREM', sessions(identity), ARGV[2])`,

  /** Removes all sessions of an identity. ARGV: epoch, identity. */
  spend: `
${EXPECT}
${SESSION}
for _, sid in ipairs(redis.call('ZRANGE', sessions(ARGV[2]), 0, -1)) do redis.call('DEL', session(sid)) end
redis.call('DEL', sessions(ARGV[2]))`,

  /** Lets sessions live longer: 1 for each that we have, else 0. ARGV: epoch, seconds, sids. */
  prolong: `
${EXPECT}
${SESSION}
local seconds, had = tonumber(ARGV[2]), {}
for at = 3, #ARGV do
  local sid = ARGV[at]
  had[#had + 1] = redis.call('EXPIRE', session(sid), seconds)
  if had[#had] == 1 then
    local own = sessions(redis.call('HGET', session(sid), 'i'))
    redis.call('ZADD', own, 'XX', now + seconds, sid)
    redis.call('EXPIRE', own, 2 * seconds)
  end
end
return had`,
} as const
