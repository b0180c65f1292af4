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

-- The message left; whatever a receipt told before that is taken in now.
local function leave()
  local known = hash(challenge)
  if known.sent == call.id then return end
  local note = { challenge = call.challenge, call = call.id, phone = call.phone, requester = call.address }
  redis.call('HDEL', challenge, 'early', 'early_message', 'early_reason', 'message', 'unnamed', 'reason')
  redis.call('HSET', challenge, 'sent', call.id, 'channel', call.channel, 'delivery', call.delivery, 'sent_at_ms', whole(call.at_ms))
  if call.message then
    redis.call('HSET', challenge, 'message', call.message)
    new_note(call.message, note)
  elseif call.channel == 'whatsapp' then
    -- Only WhatsApp sends receipts.
    redis.call('HSET', challenge, 'unnamed', cjson.encode(note))
  end
  expire(challenge, call.expires_at_ms * 1000 + LINGER)
  if not known.early or (call.message and call.message ~= known.early_message) then return end
  local reason = known.early_reason ~= '' and known.early_reason or nil
  hear({ challenge = call.challenge, message = known.early_message, delivery = known.early, reason = reason })
end

if call.outcome == 'left' then
  leave()
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
