-- One batch of one partition, all or nothing.
-- KEYS: owner, offsets, changes counter, dirty, stale, pool dirty, index, then every key that a write names by its place in KEYS.
-- ARGV: token, JSON {places: [[topic, expected next, new next, print]], writes: [[command, key place, argument...]],
--       dirty: [...], stale: [...], pool: [...]}. Numbers that Redis must add exactly come as text.
-- Returns applied, already (the same batch was applied before), lost (another owner) or moved (the offsets are others).
local batch = cjson.decode(ARGV[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local expected, already = true, true
for _, place in ipairs(batch.places) do
  local stored = redis.call('HGET', KEYS[2], place[1])
  expected = expected and stored == place[2]
  already = already and stored == place[3]
end
if already then return 'already' end
if not expected then return 'moved' end
for _, write in ipairs(batch.writes) do
  redis.call(write[1], KEYS[write[2]], unpack(write, 3))
end
local function mark(key, fields)
  for _, field in ipairs(fields) do
    redis.call('HSET', key, field, redis.call('INCR', KEYS[3]))
  end
end
mark(KEYS[4], batch.dirty)
mark(KEYS[5], batch.stale)
mark(KEYS[6], batch.pool)
for _, field in ipairs(batch.stale) do redis.call('SADD', KEYS[7], field) end
for _, place in ipairs(batch.places) do
  redis.call('HSET', KEYS[2], place[1], place[3])
  if place[4] ~= '' then redis.call('HSET', KEYS[2], place[1] .. ':print', place[4]) end
end
return 'applied'
