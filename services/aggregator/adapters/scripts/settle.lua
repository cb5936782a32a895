-- Take marks away that nobody renewed since they were read: KEYS marks; ARGV field, value and so on. Returns how many are gone.
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then gone = gone + redis.call('HDEL', KEYS[1], ARGV[i]) end
end
return gone
