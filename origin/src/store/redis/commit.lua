-- Commits one transaction, or nothing of it. It knows no rule: `memory/table.rs` does the same, and `contract` holds both to it. KEYS: those of `Transaction::keys`.
-- ARGV: one text, as `script.rs` packs it. Answer: a word, the time, and then the value of every key (`changed`, `full`) or the arrival time of every cell
-- (`committed`). Times are Unix microseconds, below 2^53. Numbers go to commands as text that is made here: Redis 7.0 and 8.2 spell a Lua number differently.
-- It runs one TIME, one MGET and one command for each key that changes. Redis spends most of its time here: no closure for each key, and no pattern over a whole counter.

local call, format, floor, max, sub = redis.call, string.format, math.floor, math.max, string.sub
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local deadline, id, records, charges, counts = unpack(cmsgpack.unpack(ARGV[1]))

-- The client has stopped waiting: nothing is committed.
if now > deadline then return { 'late', now } end

local values = #KEYS > 0 and call('MGET', unpack(KEYS)) or {}
-- `id` is empty, or a token and its milliseconds to live: it takes one key or none.
local place = #id / 2
local repeated = place > 0 and values[1] == id[1]
local changed, full = place > 0 and values[1] and not repeated, false
local arrivals = { 'committed', now }
-- What is written: keys, values (false: the key is deleted) and milliseconds to live (false: for ever).
local size, keys, texts, lives = place, { id[1] and KEYS[1] }, { id[1] }, { id[2] }

-- Each: the value before (false: absent; true: any), the value after (false: absent; true: it stays), and milliseconds to live.
for at = 1, #records, 3 do
  place = place + 1
  local value, before, after = values[place], records[at], records[at + 1]
  if before ~= true and value ~= before then changed = true end
  if after ~= true and (after or value) then
    size = size + 1
    keys[size], texts[size], lives[size] = KEYS[place], after, records[at + 2]
  end
end

-- GCRA, as `Charge::apply`. What is not a number is an empty cell. Each: by, capacity, and the place of the key whose presence leaves the cell alone (0: none).
for at = 1, #charges, 3 do
  place = place + 1
  local value, by, unless = values[place], charges[at], charges[at + 2]
  local left_alone = unless > 0 and values[unless]
  local arrival = value and tonumber(value)
  arrival = max(arrival and arrival < 2 ^ 53 and arrival or now, now)
  if not left_alone and not repeated then
    arrival = max(arrival + by, 0)
    if by > 0 and arrival - now > charges[at + 1] then full = true end
    local text = arrival > now and format('%d', arrival)
    if text or value then
      size = size + 1
      keys[size], texts[size], lives[size] = KEYS[place], text, format('%d', (arrival - now + 999) / 1000)
    end
  end
  arrivals[#arrivals + 1] = not left_alone and arrival
end

-- Adds `by` to one slot, which then is at least zero; the new total and digits.
local function step(total, digits, slots, slot, by)
  local at = slot % slots * 8
  local before = tonumber(sub(digits, at + 1, at + 8)) or 0
  local after = max(before + by, 0)
  return total + after - before, sub(digits, 1, at) .. format('%08d', after) .. sub(digits, at + 9)
end

-- A rolling window, as `transaction/counter.rs`: the newest slot's number, the total, and eight digits for each slot. Only slots that leave or change are parsed.
-- Each: a slot's length, how many, the time of the count to take back (false: one more), cap (false: none), milliseconds to live, and the place as above.
for at = 1, #counts, 6 do
  place = place + 1
  local slot_us, slots, counted_at, cap = counts[at], counts[at + 1], counts[at + 2], counts[at + 3]
  local value, unless, current = values[place], counts[at + 5], floor(now / slot_us)
  if not repeated and not (unless > 0 and values[unless]) then
    local is_whole = value and #value == 20 + 8 * slots
    local newest, total = is_whole and tonumber(sub(value, 1, 10)), is_whole and tonumber(sub(value, 11, 20))
    local digits = total and newest and newest + slots > current and sub(value, 21)
    if not digits then newest, total, digits = current, 0, string.rep('0', 8 * slots) end
    for slot = newest + 1, current do total, digits = step(total, digits, slots, slot, -math.huge) end
    newest = max(newest, current)
    local slot, by = counted_at and floor(counted_at / slot_us) or newest, counted_at and -1 or 1
    if slot <= newest and slot + slots > newest then total, digits = step(total, digits, slots, slot, by) end
    if by > 0 and cap and total > cap then full = true end
    local text = total > 0 and format('%010d%010d', newest, total) .. digits
    if text or value then
      size = size + 1
      keys[size], texts[size], lives[size] = KEYS[place], text, counts[at + 4]
    end
  end
end

if repeated then return arrivals end
if changed or full then return { changed and 'changed' or 'full', now, unpack(values) } end
for at = 1, size do
  local key, text, life = keys[at], texts[at], lives[at]
  if not text then call('DEL', key)
  elseif life then call('SET', key, text, 'PX', life)
  else call('SET', key, text) end
end
return arrivals
