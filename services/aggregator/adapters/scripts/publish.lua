-- Replace the weights of one scope.
-- KEYS: weights, outbox. ARGV: SHA-1 of the weights that the new ones follow ('' for none), the new ones, length of the outbox.
-- Returns 1, or 0 when somebody else published in between.
local current = redis.call('GET', KEYS[1])
if (current and redis.sha1hex(current) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('LTRIM', KEYS[2], -ARGV[3], -1)
return 1
