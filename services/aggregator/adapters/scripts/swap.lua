-- Replace one value: KEYS value; ARGV SHA-1 of the value that the new one follows ('' for none), the new one.
-- Returns 1, or 0 when somebody else replaced it in between.
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
