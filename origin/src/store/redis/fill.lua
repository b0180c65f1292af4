-- Takes in what a replica's memory knows: guesses add up, used stays used, remaining durations move over, capped by the window of their limit.
-- Taking a record in twice, late or in any order changes nothing more than taking it in once.

local longest = math.max(quotas['request.phone.cooldown'].window, quotas['request.phone.hour'].window, quotas['request.phone.day'].window)

local function keep_longer(key, at)
  if redis.call('PTTL', key) < until_ms(at) then expire(key, at) end
end

local function set_if_absent(key, value, left)
  redis.call('SET', key, value, 'NX', 'PX', whole(math.max(up_ms(left), 1)))
end

local function count_recipient(key, phone, at, window)
  redis.call('ZADD', key, 'GT', whole(at), phone)
  keep_longer(key, at + window)
end

local take = {}

function take.spent(record)
  local key = spent_key(record.challenge)
  for slot, count in pairs(record.attempts) do
    local known = number(redis.call('HGET', key, 'a:' .. slot)) or 0
    if count > known then redis.call('HSET', key, 'a:' .. slot, whole(count)) end
  end
  if record.used then redis.call('HSET', key, 'used', '1') end
  keep_longer(key, now + record.left_us)
end

function take.sends(record)
  local key = otp('sends', record.phone)
  for _, sent in ipairs(record.calls) do redis.call('ZADD', key, 'NX', whole(now - sent.age_us), sent.id) end
  if #record.calls > 0 then keep_longer(key, now + longest) end
end

function take.cell(record)
  local key = otp('cell', record.limit, record.subject)
  local arrival = now + math.min(record.left_us, quotas[record.limit].window)
  if arrival > (number(redis.call('GET', key)) or now) then put(key, whole(arrival), arrival) end
end

function take.recipient(record)
  local window = quotas['request.recipients'].window
  local at = now - record.age_us
  if at + window <= now then return end
  count_recipient(otp('recipients'), record.phone, at, window)
  if record.unknown then count_recipient(otp('recipients', 'unknown'), record.phone, at, window) end
end

function take.known(record)
  local key = known_key(record.phone)
  if redis.call('PTTL', key) < up_ms(record.left_us) then put(key, '1', now + math.min(record.left_us, KNOWN)) end
end

function take.answer(record)
  local key = otp('answer', record.key)
  local known = hash(key)
  if known.answer or (known.body and known.body ~= record.body) then return end
  redis.call('HSET', key, 'body', record.body, 'answer', record.answer)
  expire(key, now + record.left_us)
end

function take.nonce(record) set_if_absent(otp('nonce', record.nonce), record.id, record.left_us) end

function take.seen(record) set_if_absent(otp('seen', record.id), '1', record.left_us) end

function take.revoked(record) set_if_absent('revoked:{v1}:' .. record.session, '1', record.left_us) end

for _, record in ipairs(call.records) do take[record.kind](record) end
return cjson.encode({ verdict = 'done' })
