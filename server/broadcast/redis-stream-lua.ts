/** What must happen at once in Redis, for the reader of a stream. */

/**
 * KEYS: lease. ARGV: holder, ms. Returns 2 if the holder had the lease, 1 if it was free, 0 if another holder has it. A Redis
 * whose memory is full writes no lease: entries may fill it, so a cable must read them.
 */
export const LEASE = `
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if holder ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 2`

/** KEYS: lease. ARGV: holder. */
export const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`

/**
 * Moves an entry to the stream of refused ones, which keeps 1,000 entries and the first 64 KiB of each. KEYS: stream, refused
 * ones. ARGV: group, id, code, reason. Returns 0 if it could only delete it: the memory of Redis may be full of what waits
 * behind it.
 */
export const PARK = `
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
