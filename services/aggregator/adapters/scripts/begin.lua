-- Set where topics are resumed.
-- KEYS: owner, offsets. ARGV: token, then per topic its name, next offset, fingerprint ('' for none) and epoch.
-- Returns applied or lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
for i = 2, #ARGV, 4 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i] .. ':print', ARGV[i + 2], ARGV[i] .. ':epoch', ARGV[i + 3])
end
return 'applied'
