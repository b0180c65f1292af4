-- Notes what became of a send. Repeating it changes nothing: what was given back is no longer in the call's record.

local record = otp('request', call.id)
local charged = hash(record)
-- A call that is not known here was judged elsewhere: all that can be its own is the entry in the number's log.
local settled = charged.settled or (charged.verdict and not charged.at)
if charged.verdict then redis.call('HSET', record, 'settled', '1') end
local challenge = otp('challenge', call.challenge)

-- A number's log names the call, so its entry can be taken back exactly.
local function give_back_phone()
  redis.call('ZREM', otp('sends', call.phone), call.id)
end

-- Undoes what was charged to all but the number, unless something later moved it again.
local function give_back_rest()
  for field, value in pairs(charged) do
    if string.sub(field, 1, 5) == 'cell:' then give_back_cell(string.sub(field, 6), tonumber(value)) end
  end
  for _, key in ipairs({ otp('recipients'), otp('recipients', 'unknown') }) do
    local counted = redis.call('ZSCORE', key, call.phone)
    if counted and charged.at and tonumber(counted) == tonumber(charged.at) then
      local before = charged['before:' .. key]
      if before then redis.call('ZADD', key, before, call.phone) else redis.call('ZREM', key, call.phone) end
    end
  end
end

if call.outcome == 'left' then
  local early = redis.call('HGET', challenge, 'early')
  redis.call('HDEL', challenge, 'early')
  local delivery = call.delivery
  if early and ranks[early] > ranks[delivery] then delivery = early end
  redis.call('HSET', challenge, 'channel', call.channel, 'delivery', delivery)
  expire(challenge, call.expires_at_ms * 1000 + LINGER)
else
  if not settled then give_back_phone() end
  if not settled and call.outcome == 'failed' then give_back_rest() end
  if call.outcome == 'failed' and redis.call('HGET', challenge, 'by') == call.id then
    redis.call('HDEL', challenge, 'by', 'address', 'address_us', 'site', 'site_us')
  end
end

if call.answer then
  note_answer(call.answer, call.expires_at_ms * 1000)
elseif call.idempotency then
  local key = otp('answer', call.idempotency.key)
  local known = hash(key)
  if known.call == call.id and not known.answer then redis.call('DEL', key) end
end
return cjson.encode({ verdict = 'done' })
