-- Comes before every script: Redis' clock, the caller's deadline, key names, GCRA. Times are Unix microseconds (whole numbers below 2^53).
-- `quotas` and `threshold` are put in front of it by the client. Key names are composed here: they share the hash tag {v1}, so they live in one
-- slot with KEYS[1], which routes the call.

local call = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- The client has given the call up: what it would do now, nobody would hear of.
if call.deadline_us and now > call.deadline_us then
  return cjson.encode({ verdict = 'late', now_ms = math.floor(now / 1000) })
end

local DAY, HOUR, LINGER = 86400000000, 3600000000, 60000000
local REMEMBERED, IN_FLIGHT, VERIFY_ANSWER, KNOWN = 90000000, 30000000, 600000000, 90 * DAY
local OPERATOR, EPOCH, VERSION = 'operator:{v1}', 'operator:{v1}:epoch', 'operator:{v1}:version'

-- Redis was emptied or replaced since the client last filled it: nothing may be read from it before it is filled again.
if call.epoch and redis.call('GET', EPOCH) ~= call.epoch then
  return cjson.encode({ verdict = 'unfilled' })
end

local function otp(...) return 'otp:{v1}:' .. table.concat({ ... }, ':') end
local function spent_key(challenge) return 'spent:{v1}:' .. challenge end
local function known_key(phone) return 'known:{v1}:' .. phone end
local function whole(number) return string.format('%.0f', number) end
local function up_ms(us) return math.ceil(us / 1000) end
local function until_ms(at) return math.max(up_ms(at - now), 0) end
local function number(text) return text and tonumber(text) or nil end
local function expire(key, at) redis.call('PEXPIREAT', key, whole(up_ms(at))) end
local function put(key, value, at) redis.call('SET', key, value, 'PXAT', whole(up_ms(at))) end

-- Many fields of a hash as a table.
local function hash(key)
  local flat, fields = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- GCRA, as `otp_shared::limits::gcra`: the new arrival time, and the time from which it would pass if it does not now.
local function gcra(key, quota)
  local arrival = math.max(number(redis.call('GET', key)) or now, now) + quota.emission
  local from = arrival - quota.emission * quota.count
  if from <= now then return arrival, nil end
  return arrival, from
end

local function give_back_cell(key, emission)
  local arrival = number(redis.call('GET', key))
  if not arrival then return end
  arrival = arrival - emission
  if arrival > now then put(key, whole(arrival), arrival) else redis.call('DEL', key) end
end

-- Guesses of all replicas, and whether the challenge was used.
local function spent_of(challenge)
  local fields, total, slots = hash(spent_key(challenge)), 0, {}
  for field, value in pairs(fields) do
    if field ~= 'used' then
      slots[string.sub(field, 3)] = tonumber(value)
      total = total + tonumber(value)
    end
  end
  return total, fields.used == '1', slots
end

-- What stops a call before it is judged. The version comes before the nonce: a call judged by old operator state costs nothing, and its nonce is good
-- for the next id.
local function interruption()
  if (number(redis.call('GET', VERSION)) or 0) ~= call.operator_version then return { verdict = 'stale' } end
  local nonce = otp('nonce', call.nonce)
  local first = redis.call('GET', nonce)
  if first and first ~= call.id then return { verdict = 'replayed' } end
  if not first then put(nonce, call.id, now + REMEMBERED) end
  if not call.idempotency then return nil end
  local known = hash(otp('answer', call.idempotency.key))
  if not known.body then return nil end
  if known.body ~= call.idempotency.body then return { verdict = 'mismatch' } end
  if known.answer then return { verdict = 'repeat', answer = known.answer } end
  return { verdict = 'in_progress' }
end

-- A repeat of the idempotency key gets `answer` until `at`; without an answer it is in flight until then.
local function note_answer(answer, at)
  if not call.idempotency then return end
  local key = otp('answer', call.idempotency.key)
  redis.call('DEL', key)
  redis.call('HSET', key, 'body', call.idempotency.body, 'call', call.id)
  if answer then redis.call('HSET', key, 'answer', answer) end
  expire(key, at)
end


-- A message that left: its challenge, what it charged to its number (until its end is known) and who asked for it (until it is disowned).
local function note_of(message)
  local text = redis.call('GET', otp('message', message))
  return text and cjson.decode(text)
end

local function keep_note(message, note) redis.call('SET', otp('message', message), cjson.encode(note), 'KEEPTTL') end

local function new_note(message, note) put(otp('message', message), cjson.encode(note), now + DAY) end

-- Takes in a receipt; false: of nothing that is known. It moves the newest message only if it is about that one.
local function hear(receipt)
  local note = note_of(receipt.message)
  local name = note and note.challenge or receipt.challenge
  local challenge = name and otp('challenge', name)
  local known = challenge and hash(challenge) or {}
  if not note then
    if not next(known) then return false end
    if not known.unnamed then
      -- It overtook the settlement of its own send.
      if known.early_message ~= receipt.message or ranks[receipt.delivery] > ranks[known.early] then
        redis.call('HSET', challenge, 'early', receipt.delivery, 'early_message', receipt.message, 'early_reason', receipt.reason or '')
      end
      return true
    end
    note = cjson.decode(known.unnamed)
    known.message = receipt.message
    redis.call('HDEL', challenge, 'unnamed')
    redis.call('HSET', challenge, 'message', receipt.message)
    new_note(receipt.message, note)
  end
  if known.message == receipt.message and ranks[receipt.delivery] > ranks[known.delivery] then
    redis.call('HSET', challenge, 'delivery', receipt.delivery)
    if receipt.reason then redis.call('HSET', challenge, 'reason', receipt.reason) else redis.call('HDEL', challenge, 'reason') end
  end
  if note.call and (receipt.delivery == 'failed' or receipt.delivery == 'delivered') then
    if receipt.delivery == 'failed' then redis.call('ZREM', otp('sends', note.phone), note.call) end
    note.call, note.phone = nil, nil
    keep_note(receipt.message, note)
  end
  return true
end
