-- Add passages to a session's evidence, and quarantine the session where they make it hostile; both or neither.
-- KEYS evidence, quarantine; ARGV ttl of the evidence in ms, passages kept, discount, limit, the quarantine, its ms; weight, digest and so on.
-- Returns the total, the quarantine that stands and whether it is new. What is known already changes nothing.
local function total()
  local held, sum, share = redis.call('ZREVRANGE', KEYS[1], 0, -1, 'WITHSCORES'), 0, 1
  for i = 2, #held, 2 do
    sum = sum + share * tonumber(held[i])
    share = share * tonumber(ARGV[3])
  end
  return sum
end
local before = total()
redis.call('ZADD', KEYS[1], 'NX', unpack(ARGV, 7))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local after = total()
local new = after > before and after >= tonumber(ARGV[4])
if new then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6]) end
return {tostring(after), redis.call('GET', KEYS[2]), new and 1 or 0}
