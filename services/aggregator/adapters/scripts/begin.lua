-- Set where topics are resumed: KEYS owner, offsets; ARGV token, then topic, next offset and so on. Returns applied or lost.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('HDEL', KEYS[2], ARGV[i] .. ':print')
end
return 'applied'
