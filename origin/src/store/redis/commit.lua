-- Commits one transaction, or nothing of it. It knows no rule: `memory/table.rs` does the same, and `contract` holds both to it. It runs one TIME, one MGET and one
-- command for each key that changes. KEYS: those of `Transaction::keys`. ARGV: as `script.rs` writes them. Answer: a word, the time, and then the value of
-- every key (`changed`, `full`) or the arrival time of every cell (`committed`). Times are Unix microseconds: whole numbers below 2^53.
-- Numbers go to commands as text that is made here: Redis 7.0 and 8.2 spell a Lua number differently.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local argument, position = 0, 0
local function text()
  argument = argument + 1
  return ARGV[argument]
end
local function number() return tonumber(text()) end
local function whole(n) return string.format('%.0f', n) end

-- The client has given the call up: what it would do now, nobody would hear of.
if now > number() then return { 'late', whole(now) } end

local ids, expects, writes, charges, counts = number(), number(), number(), number(), number()
local values = #KEYS > 0 and redis.call('MGET', unpack(KEYS)) or {}
local commands, arrivals = {}, { 'committed', whole(now) }
local repeated, changed, full = false, false, false

local function each(times, step)
  for _ = 1, times do
    position = position + 1
    step(KEYS[position], values[position])
  end
end
local function put(key, value, ttl_ms)
  commands[#commands + 1] = ttl_ms == '' and { 'SET', key, value } or { 'SET', key, value, 'PX', ttl_ms }
end
local function delete(key, value)
  if value then commands[#commands + 1] = { 'DEL', key } end
end
local function compare(value)
  local how, before = text(), text()
  if how == 'is' and value ~= before or how == 'absent' and value then changed = true end
end
-- The key whose presence leaves a cell or counter alone, as its place in KEYS; 0: none.
local function is_left_alone()
  local unless = number()
  return unless > 0 and values[unless]
end

each(ids, function(key, value)
  local token, ttl_ms = text(), text()
  repeated, changed = value == token, value and value ~= token
  put(key, token, ttl_ms)
end)
each(expects, function(_, value) compare(value) end)
each(writes, function(key, value)
  compare(value)
  local after, ttl_ms = text(), text()
  if ttl_ms == 'delete' then delete(key, value) else put(key, after, ttl_ms) end
end)

-- GCRA, as `Charge::apply`. What is not a number is an empty cell.
each(charges, function(key, value)
  local by, capacity, left_alone = number(), number(), is_left_alone()
  local arrival = value and string.find(value, '^%d+$') and tonumber(value)
  arrival = math.max(arrival and arrival < 2 ^ 53 and arrival or now, now)
  if not left_alone and not repeated then
    arrival = math.max(arrival + by, 0)
    if by > 0 and arrival - now > capacity then full = true end
    if arrival > now then put(key, whole(arrival), whole(math.ceil((arrival - now) / 1000))) else delete(key, value) end
  end
  arrivals[#arrivals + 1] = left_alone and '' or whole(arrival)
end)

-- A rolling window, as `transaction/counter.rs`. Only slots that change or leave are parsed.
each(counts, function(key, value)
  local slot_us, slots, counted_at, cap, ttl_ms, left_alone = number(), number(), number(), number(), text(), is_left_alone()
  if left_alone or repeated then return end
  local current = math.floor(now / slot_us)
  local newest, total, digits = current, 0, string.rep('0', 8 * slots)
  if value and #value == 20 + #digits and not string.find(value, '%D') and tonumber(string.sub(value, 1, 10)) + slots > current then
    newest, total, digits = tonumber(string.sub(value, 1, 10)), tonumber(string.sub(value, 11, 20)), string.sub(value, 21)
  end
  local function change(slot, to)
    local at = slot % slots * 8
    local before = tonumber(string.sub(digits, at + 1, at + 8))
    local after = math.max(to(before), 0)
    total = total + after - before
    digits = string.sub(digits, 1, at) .. string.format('%08.0f', after) .. string.sub(digits, at + 9)
  end
  for slot = newest + 1, current do change(slot, function() return 0 end) end
  newest = math.max(newest, current)
  local slot, by = counted_at and math.floor(counted_at / slot_us) or newest, counted_at and -1 or 1
  if slot <= newest and slot + slots > newest then change(slot, function(count) return count + by end) end
  if by > 0 and cap and total > cap then full = true end
  if total > 0 then put(key, string.format('%010.0f%010.0f', newest, total) .. digits, ttl_ms) else delete(key, value) end
end)

if repeated then return arrivals end
if changed or full then return { changed and 'changed' or 'full', whole(now), unpack(values) } end
for _, command in ipairs(commands) do redis.call(unpack(command)) end
return arrivals
