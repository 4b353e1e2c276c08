/**
 * The functions of the history in Redis.
 *
 *   <prefix>:life               epoch, run (the run_id of its Redis), evicted, begun (ms), offset (the counter), forgotten (a horizon)
 *   <prefix>:<epoch>:s:<stream> its entries: a Redis stream whose ids are our offsets; a (Unix seconds), e (the text), k (a key)
 *   <prefix>:<epoch>:h:<stream> h, the horizon, and l, the last offset; it outlives the entries
 *   <prefix>:<epoch>:k:<stream> its entries with a key: key ─▶ JSON of [[offset, exclude], …]
 *   <prefix>:<epoch>:ids        ids of recent publications, by Unix seconds
 *   <prefix>:<epoch>:marks      which offset the counter had when: o
 *
 * A stream without `h` was not published to for ten times --history_ttl: a position is valid if the counter had it since.
 * The keys of an epoch expire, so a new epoch deletes nothing. Channels have the epoch in their names because other
 * databases of the same Redis share them.
 *
 * Reads must work while Redis is out of memory, so they write nothing: they check the age of entries instead.
 */

import { EXPECT } from './redis-expect.ts'

/** The offset that the counter had `seconds` ago, or up to two seconds later: a key that has expired since is not newer. */
const MARK = `
local function mark(seconds)
  local first = redis.call('XRANGE', mine .. ':marks', (now + 1 - seconds) * 1000, '+', 'COUNT', 1)[1]
  return first and tonumber(first[2][2]) or tonumber(life[2])
end
`

const INFO = `
local function info(section, name)
  return string.match(redis.call('INFO', section), '[\\r\\n]' .. name .. ':([^\\r\\n]*)')
end
`

export const HISTORY = {
  /**
   * A new epoch, unless the stored one belongs to this run of Redis: [epoch, run_id, ms since it began]. ARGV: an epoch that
   * is new.
   */
  begin: `
${INFO}
local key, fresh = KEYS[1] .. ':life', ARGV[1]
local run, evicted = info('server', 'run_id'), tonumber(info('stats', 'evicted_keys'))
local clock = redis.call('TIME')
local ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local life = redis.call('HMGET', key, 'epoch', 'run', 'evicted', 'begun')
if life[1] and life[2] == run and evicted <= tonumber(life[3]) then return {life[1], run, ms - tonumber(life[4])} end
redis.call('DEL', key)
redis.call('HSET', key, 'epoch', fresh, 'run', run, 'evicted', evicted, 'begun', ms, 'offset', 0, 'forgotten', 0)
redis.call('XADD', KEYS[1] .. ':' .. fresh .. ':marks', '*', 'o', 0)
return {fresh, run, 0}`,

  /** Publishes the counter and how many nodes there are, and notes the counter. ARGV: epoch, node, --history_ttl. */
  tick: `
${EXPECT}
${INFO}
local node, ttl = ARGV[2], tonumber(ARGV[3])
local evicted, known = tonumber(info('stats', 'evicted_keys')), redis.call('HGET', prefix .. ':life', 'evicted')
if evicted > tonumber(known) then
  redis.call('DEL', prefix .. ':life')
  return redis.error_reply('EPOCH Redis evicted keys')
end
local marks = mine .. ':marks'
local last = redis.call('XREVRANGE', marks, '+', '-', 'COUNT', 1)[1]
if not last or tonumber(string.match(last[1], '%d+')) < (now - ttl / 100) * 1000 then
  local marked = redis.pcall('XADD', marks, 'MINID', (now - 10 * ttl) * 1000, '*', 'o', life[2])
  if type(marked) == 'table' and marked.err and not string.find(marked.err, 'OOM') then return marked end
  redis.call('EXPIRE', marks, 20 * ttl)
end
local nodes = redis.call('PUBSUB', 'NUMSUB', mine .. ':all')[2]
redis.call('PUBLISH', mine .. ':all', 't ' .. life[2] .. ' ' .. node .. ' ' .. nodes)`,

  /**
   * Takes all publications, or none: 1 for each that it published, 0 for each whose id it took before. ARGV: epoch,
   * --history_limit, --history_ttl, how many ids to keep, and for each: stream, id, 1 to store it, text,
   * key, exclude.
   */
  publish: `
${EXPECT}
${MARK}
local limit, ttl, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ids = mine .. ':ids'
local function forgetKey(keys, key, offset)
  local kept = {}
  for _, one in ipairs(cjson.decode(redis.call('HGET', keys, key) or '[]')) do
    if one[1] ~= offset then kept[#kept + 1] = one end
  end
  if #kept == 0 then redis.call('HDEL', keys, key) else redis.call('HSET', keys, key, cjson.encode(kept)) end
end
local function replaceOlder(entries, keys, key, exclude, offset)
  local kept = {}
  for _, one in ipairs(cjson.decode(redis.call('HGET', keys, key) or '[]')) do
    if exclude == '' or one[2] == exclude then redis.call('XDEL', entries, one[1] .. '-0') else kept[#kept + 1] = one end
  end
  kept[#kept + 1] = {offset, exclude}
  redis.call('HSET', keys, key, cjson.encode(kept))
  redis.call('EXPIRE', keys, ttl)
end
local function store(stream, text, key, exclude)
  local entries, horizon = mine .. ':s:' .. stream, mine .. ':h:' .. stream
  local offset = redis.call('HINCRBY', prefix .. ':life', 'offset', 1)
  if redis.call('HSETNX', horizon, 'h', mark(10 * ttl)) == 0 and redis.call('EXISTS', entries) == 0 then
    redis.call('HSET', horizon, 'h', redis.call('HGET', horizon, 'l'))
  end
  local keys = mine .. ':k:' .. stream
  if key == '' then redis.call('XADD', entries, offset .. '-0', 'a', now, 'e', text)
  else
    replaceOlder(entries, keys, key, exclude, offset)
    redis.call('XADD', entries, offset .. '-0', 'a', now, 'e', text, 'k', key)
  end
  local over, dropped = redis.call('XLEN', entries) - limit, nil
  while true do
    local first = redis.call('XRANGE', entries, '-', '+', 'COUNT', 1)[1]
    if not first or (over <= 0 and tonumber(first[2][2]) >= now - ttl) then break end
    over, dropped = over - 1, string.match(first[1], '%d+')
    redis.call('XDEL', entries, first[1])
    if first[2][6] then forgetKey(keys, first[2][6], tonumber(dropped)) end
  end
  if dropped then redis.call('HSET', horizon, 'h', dropped) end
  redis.call('HSET', horizon, 'l', offset)
  redis.call('EXPIRE', entries, ttl)
  redis.call('EXPIRE', horizon, 10 * ttl)
  redis.call('PUBLISH', mine .. ':s:' .. stream, 'e ' .. offset .. '\\n' .. text)
end
-- If Redis is out of memory, this fails, before anything is published.
redis.call('HINCRBY', prefix .. ':life', 'offset', 0)
local published = {}
for at = 5, #ARGV, 6 do
  local stream, id, isStored, text = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local isRepeated = id ~= '' and redis.call('ZSCORE', ids, id)
  if not isRepeated then
    if isStored == '1' then store(stream, text, ARGV[at + 4], ARGV[at + 5])
    else redis.call('PUBLISH', mine .. ':s:' .. stream, 'l\\n' .. text) end
    if id ~= '' then redis.call('ZADD', ids, now, id) end
  end
  published[#published + 1] = isRepeated and 0 or 1
end
if redis.call('ZCARD', ids) > 0 then
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', '(' .. (now - ttl))
  redis.call('ZREMRANGEBYRANK', ids, 0, -most - 1)
  redis.call('EXPIRE', ids, ttl)
end
return published`,

  /** The entries after an offset, [offset, text, …], or "gap". ARGV: epoch, stream, offset, --history_ttl. */
  after: `
${EXPECT}
${MARK}
local stream, from, ttl = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if from > tonumber(life[2]) or from < tonumber(life[3]) then return 'gap' end
local entries = mine .. ':s:' .. stream
local known = redis.call('HMGET', mine .. ':h:' .. stream, 'h', 'l')
local horizon = mark(10 * ttl)
if known[1] then horizon = tonumber(redis.call('EXISTS', entries) == 1 and known[1] or known[2]) end
if from < horizon then return 'gap' end
local found = {}
for at, entry in ipairs(redis.call('XRANGE', entries, '(' .. ARGV[3], '+')) do
  if at == 1 and tonumber(entry[2][2]) < now - ttl then return 'gap' end
  found[#found + 1] = string.match(entry[1], '%d+')
  found[#found + 1] = entry[2][4]
end
return found`,

  /** The entries since a time, [offset, text, …]. ARGV: epoch, stream, Unix seconds, --history_ttl. */
  since: `
${EXPECT}
local from = math.max(tonumber(ARGV[3]), now - tonumber(ARGV[4]))
local found = {}
for _, entry in ipairs(redis.call('XRANGE', mine .. ':s:' .. ARGV[2], '-', '+')) do
  if tonumber(entry[2][2]) >= from then
    found[#found + 1] = string.match(entry[1], '%d+')
    found[#found + 1] = entry[2][4]
  end
end
return found`,

  /**
   * Makes earlier positions a gap, of all streams or of the streams of publications whose ids it did not take. ARGV: epoch,
   * --history_ttl, and for each publication (none: all streams): stream, id.
   */
  forget: `
${EXPECT}
local ttl, isAll, lost, known = tonumber(ARGV[2]), #ARGV == 2, {}, {}
for at = 3, #ARGV, 2 do
  local stream, id = ARGV[at], ARGV[at + 1]
  if not known[stream] and (id == '' or not redis.call('ZSCORE', mine .. ':ids', id)) then
    known[stream] = true
    lost[#lost + 1] = stream
  end
end
if #lost == 0 and not isAll then return end
local offset = redis.call('HINCRBY', prefix .. ':life', 'offset', 1)
if isAll then redis.call('HSET', prefix .. ':life', 'forgotten', offset) end
for _, stream in ipairs(lost) do
  local horizon = mine .. ':h:' .. stream
  redis.call('DEL', mine .. ':s:' .. stream, mine .. ':k:' .. stream)
  redis.call('HSET', horizon, 'h', offset, 'l', offset)
  redis.call('EXPIRE', horizon, 10 * ttl)
end
redis.call('PUBLISH', mine .. ':all', 'g ' .. offset .. '\\n' .. (isAll and '"all"' or cjson.encode(lost)))`,

  /** The counter. ARGV: epoch. */
  position: `
${EXPECT}
return life[2]`,
} as const
