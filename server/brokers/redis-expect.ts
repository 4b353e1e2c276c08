/**
 * How each of our Lua functions begins, except the one that begins an epoch.
 *
 * It gets the prefix of our keys as its key, and the expected epoch as its first argument. It refuses another epoch.
 */
export const EXPECT = `
local prefix, epoch = KEYS[1], ARGV[1]
local life = redis.call('HMGET', prefix .. ':life', 'epoch', 'offset', 'forgotten')
if life[1] ~= epoch then return redis.error_reply('EPOCH another epoch has begun') end
local mine = prefix .. ':' .. epoch
local now = tonumber(redis.call('TIME')[1])
`
