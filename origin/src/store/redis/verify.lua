-- Is this guess accepted? One call a guess. The same steps in the same order as `memory/judge.rs`.

local record = otp('verify', call.id)
local first = redis.call('GET', record)
if first then return first end
local stopped = interruption()
if stopped then return cjson.encode(stopped) end

-- The first verdict is repeated to whoever repeats the call's id. It says what is spent, for the mirror that survives this Redis.
local function answer(verdict)
  local _, used, slots = spent_of(call.challenge)
  verdict.spent = { used = used, attempts = slots }
  local text = cjson.encode(verdict)
  put(record, text, now + REMEMBERED)
  return text
end

local cell = otp('cell', 'verify.ip', call.address)
local arrival, at = gcra(cell, quotas['verify.ip'])
if at then return answer({ verdict = 'refused', limit = 'verify.ip', retry_after_ms = until_ms(at) }) end
put(cell, whole(arrival), arrival)

local guesses, used = spent_of(call.challenge)
local allowed, ends = quotas['verify.challenge'].count, call.expires_at_ms * 1000
if now >= ends or used then return answer({ verdict = 'unknown' }) end
if guesses >= allowed then return answer({ verdict = 'locked', retry_after_ms = until_ms(ends) }) end

-- Counted before anything is told of it.
local spent = spent_key(call.challenge)
redis.call('HINCRBY', spent, 'a:' .. call.replica, 1)
if call.correct then redis.call('HSET', spent, 'used', '1') end
expire(spent, ends + LINGER)
if not call.correct then return answer({ verdict = 'incorrect', attempts_left = math.max(allowed - guesses - 1, 0) }) end

put(known_key(call.phone), '1', now + KNOWN)
note_answer(call.answer, now + VERIFY_ANSWER)

-- The address that asked for the code gets its share back, and a higher quota for a day.
local function reward(limit, subject, emission)
  if not subject then return end
  give_back_cell(otp('cell', limit, subject), tonumber(emission))
  local verified, hour = otp('verified', subject), math.floor(now / HOUR)
  redis.call('HINCRBY', verified, whole(hour), 1)
  for bucket in pairs(hash(verified)) do
    if tonumber(bucket) <= hour - 24 then redis.call('HDEL', verified, bucket) end
  end
  expire(verified, (hour + 24) * HOUR)
end
local challenge = otp('challenge', call.challenge)
local asked = hash(challenge)
reward('request.ip', asked.address, asked.address_us)
reward('request.site', asked.site, asked.site_us)
redis.call('HDEL', challenge, 'by', 'address', 'address_us', 'site', 'site_us')
return answer({ verdict = 'accepted' })
