-- Merges operator changes, newest per subject winning, and sets the epoch mark. `call.changes` are in the order in which they were made.

local function bytes_after(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a > b end
  end
  return #one > #other
end

-- Stamps are ordered byte by byte in the end, like in Rust; Lua's own order of strings depends on the locale.
local function newer(one, other)
  if one.ms ~= other.ms then return one.ms > other.ms end
  if one.counter ~= other.counter then return one.counter > other.counter end
  return bytes_after(one.id, other.id)
end

local changed = false
if call.fill and redis.call('EXISTS', EPOCH) == 0 then
  redis.call('SET', EPOCH, call.new_epoch)
  changed = true
end
for _, change in ipairs(call.changes) do
  local known = redis.call('HGET', OPERATOR, change.key)
  if not known or newer(change.stamp, cjson.decode(known).stamp) then
    redis.call('HSET', OPERATOR, change.key, change.text)
    redis.call('LPUSH', 'audit:{v1}', change.text)
    changed = true
  end
end
redis.call('LTRIM', 'audit:{v1}', 0, call.audit_kept - 1)

-- Removals and ended entries are remembered for as long as a copy may stay away.
for key, text in pairs(hash(OPERATOR)) do
  local known = cjson.decode(text)
  local ended = known.stamp.ms
  if known.present then ended = known.untilMs end
  if ended and ended ~= cjson.null and ended + call.tombstone_ms < now / 1000 then redis.call('HDEL', OPERATOR, key) end
end

local version = number(redis.call('GET', VERSION)) or 0
if changed then
  version = math.max(version + 1, math.floor(now / 1000))
  redis.call('SET', VERSION, whole(version))
end
return cjson.encode({ verdict = 'version', version = version })
