/**
 * The functions of presence in Redis.
 *
 *   <prefix>:presence:p:<stream>   its members: id ─▶ info. Ids are JSON texts
 *                    :m:<stream>   their ids, by the ms in which they joined
 *                    :c:<stream>   how many sessions each member has
 *                    :n:<stream>   sid ─▶ id
 *                    :q:<sid>      the streams that the session has joined
 *                    :owner        sid ─▶ its node
 *                    :of:<node>    its sids
 *                    :nodes        leases: the ms in which each ends
 *                    :gone         nodes whose leases have ended, and whose sids leave
 *                    :lost         sessions without a connection: the ms in which each leaves
 *
 * The keys outlive an epoch, because the leases remove what no node has. A change and its message are one step, so a stream
 * hears of it once.
 */
import { EXPECT } from './redis-expect.ts'

const HOME = `
local home = prefix .. ':presence:'
local clock = redis.call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function tell(stream, message)
  redis.call('PUBLISH', mine .. ':s:' .. stream, 'l\\n{"type":"presence","fromClient":true}\\n' .. message)
end
local function part(sid)
  local owner = redis.call('HGET', home .. 'owner', sid)
  if owner then redis.call('SREM', home .. 'of:' .. owner, sid) end
  redis.call('HDEL', home .. 'owner', sid)
  redis.call('ZREM', home .. 'lost', sid)
end
local function leave(stream, sid)
  local id = redis.call('HGET', home .. 'n:' .. stream, sid)
  if not id then return end
  redis.call('HDEL', home .. 'n:' .. stream, sid)
  redis.call('SREM', home .. 'q:' .. sid, stream)
  if redis.call('HINCRBY', home .. 'c:' .. stream, id, -1) > 0 then return end
  redis.call('HDEL', home .. 'c:' .. stream, id)
  redis.call('HDEL', home .. 'p:' .. stream, id)
  redis.call('ZREM', home .. 'm:' .. stream, id)
  tell(stream, '{"id":' .. id .. ',"type":"leave"}')
end
local function leaveAll(sid)
  for _, stream in ipairs(redis.call('SMEMBERS', home .. 'q:' .. sid)) do leave(stream, sid) end
  part(sid)
end
`

/** Sessions that one call removes at most. */
const MOST = 500

export const PRESENCE = {
  /** A session joins: "joined", "mismatch", or "lease": the node has none. ARGV: epoch, node, stream, sid, id, info, message. */
  join: `
${EXPECT}
${HOME}
local node, stream, sid, id = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not redis.call('ZSCORE', home .. 'nodes', node) then return 'lease' end
local known = redis.call('HGET', home .. 'n:' .. stream, sid)
if known and known ~= id then return 'mismatch' end
local isNew = redis.call('HSET', home .. 'p:' .. stream, id, ARGV[6]) == 1
if not known then
  redis.call('HSET', home .. 'n:' .. stream, sid, id)
  redis.call('HINCRBY', home .. 'c:' .. stream, id, 1)
  redis.call('SADD', home .. 'q:' .. sid, stream)
end
redis.call('HSET', home .. 'owner', sid, node)
redis.call('SADD', home .. 'of:' .. node, sid)
if isNew then
  redis.call('ZADD', home .. 'm:' .. stream, ms, id)
  tell(stream, ARGV[7])
end
return 'joined'`,

  /** A session leaves a stream. ARGV: epoch, stream, sid. */
  leave: `
${EXPECT}
${HOME}
leave(ARGV[2], ARGV[3])
if redis.call('EXISTS', home .. 'q:' .. ARGV[3]) == 0 then part(ARGV[3]) end`,

  /** A session lost its connection. ARGV: epoch, sid, ms until it leaves. */
  lost: `
${EXPECT}
${HOME}
if redis.call('EXISTS', home .. 'q:' .. ARGV[2]) == 1 then redis.call('ZADD', home .. 'lost', ms + ARGV[3], ARGV[2]) end`,

  /** How many members there are, and the first of them: [count, id, info, …]. ARGV: epoch, stream, bytes of texts. */
  present: `
${EXPECT}
local home, stream, left = prefix .. ':presence:', ARGV[2], tonumber(ARGV[3])
local found = {redis.call('HLEN', home .. 'p:' .. stream)}
for _, id in ipairs(redis.call('ZRANGE', home .. 'm:' .. stream, 0, -1)) do
  if left < 0 then break end
  local info = redis.call('HGET', home .. 'p:' .. stream, id)
  left = left - #id - #info
  found[#found + 1] = id
  found[#found + 1] = info
end
return found`,

  /** Renews the node's lease, or returns "ended". Removes what is due. ARGV: epoch, node, ms, 1: the node has no lease yet. */
  renew: `
${EXPECT}
${HOME}
if ARGV[4] ~= '1' and not redis.call('ZSCORE', home .. 'nodes', ARGV[2]) then return 'ended' end
redis.call('ZADD', home .. 'nodes', ms + ARGV[3], ARGV[2])
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', home .. 'lost', '-inf', ms, 'LIMIT', 0, ${MOST})) do leaveAll(sid) end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', home .. 'nodes', '-inf', ms)) do
  redis.call('ZREM', home .. 'nodes', node)
  redis.call('SADD', home .. 'gone', node)
end
for _, node in ipairs(redis.call('SMEMBERS', home .. 'gone')) do
  for _, sid in ipairs(redis.call('SPOP', home .. 'of:' .. node, ${MOST})) do
    -- (Another node, or its own by another name, may have it by now.)
    if redis.call('HGET', home .. 'owner', sid) == node then leaveAll(sid) end
  end
  if redis.call('EXISTS', home .. 'of:' .. node) == 0 then redis.call('SREM', home .. 'gone', node) end
end`,
} as const
