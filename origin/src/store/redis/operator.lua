-- Merges operator changes, newest per subject winning, and sets the epoch mark `call.fill` where there is none. `call.changes` are in the order in which they were
-- made; if they change anything, the version is `call.version` from then on. Answer: a word, the version, and the epoch mark if there is one.

local OPERATOR, EPOCH, VERSION, AUDIT = unpack(KEYS)
local call, time = cjson.decode(ARGV[1]), redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- The client has given the call up, or Redis was emptied or replaced since the client last filled it.
if now > call.deadline_us then return { 'late' } end
if call.epoch and redis.call('GET', EPOCH) ~= call.epoch then return { 'unfilled' } end

-- Stamps are ordered byte by byte in the end, like in Rust; Lua's own order of strings depends on the locale.
local function newer(one, other)
  if one.ms ~= other.ms then return one.ms > other.ms end
  if one.counter ~= other.counter then return one.counter > other.counter end
  for i = 1, math.min(#one.id, #other.id) do
    local a, b = string.byte(one.id, i), string.byte(other.id, i)
    if a ~= b then return a > b end
  end
  return #one.id > #other.id
end
-- Removals and ended entries are remembered for as long as a copy may stay away.
local function is_garbage(change)
  local ended = change.stamp.ms
  if change.present then ended = change.untilMs end
  return ended and ended ~= cjson.null and ended + call.tombstone_ms < now / 1000
end

local changed = call.fill and redis.call('EXISTS', EPOCH) == 0
if changed then redis.call('SET', EPOCH, call.fill) end
for _, change in ipairs(call.changes) do
  local known = redis.call('HGET', OPERATOR, change.key)
  local wins = not known or newer(change.stamp, cjson.decode(known).stamp)
  if wins and not is_garbage(cjson.decode(change.text)) then
    redis.call('HSET', OPERATOR, change.key, change.text)
    redis.call('LPUSH', AUDIT, change.text)
    changed = true
  end
end
redis.call('LTRIM', AUDIT, 0, call.audit_kept - 1)

-- A few at random each time: looking at all of them would block Redis for longer than a fan's request may wait.
local sample = redis.call('HRANDFIELD', OPERATOR, 20, 'WITHVALUES')
for i = 1, #sample, 2 do
  if is_garbage(cjson.decode(sample[i + 1])) then redis.call('HDEL', OPERATOR, sample[i]) end
end

if changed then redis.call('SET', VERSION, call.version) end
return { 'version', redis.call('GET', VERSION) or '0', redis.call('GET', EPOCH) }
