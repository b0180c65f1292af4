-- May a message be sent? One call a request. The same steps in the same order as `memory/judge.rs`.

local record = otp('request', call.id)
local first = redis.call('HGET', record, 'verdict')
if first then return first end
local stopped = interruption()
if stopped then return cjson.encode(stopped) end

-- The first verdict is repeated to whoever repeats the call's id.
local function answer(verdict)
  local text = cjson.encode(verdict)
  redis.call('HSET', record, 'verdict', text)
  expire(record, now + REMEMBERED)
  return text
end

local guesses, used = spent_of(call.challenge)
local ends = call.expires_at_ms * 1000
if call.resend and (now >= ends or used) then return answer({ verdict = 'unknown' }) end
if call.resend and guesses >= quotas['verify.challenge'].count then
  return answer({ verdict = 'locked', retry_after_ms = until_ms(ends) })
end

local known = redis.call('EXISTS', known_key(call.phone)) == 1
local sends = otp('sends', call.phone)
local recipients, unknown_recipients = otp('recipients'), otp('recipients', 'unknown')

-- The time from which one more fits into a log, if it does not now.
local function log_free_at(key, count, window)
  local nth_newest = redis.call('ZREVRANGE', key, count - 1, count - 1, 'WITHSCORES')[2]
  local at = nth_newest and tonumber(nth_newest) + window
  if at and at > now then return at end
end

local function half(quota)
  local count = math.max(math.floor(quota.count / 2), 1)
  return { count = count, window = quota.window, emission = math.ceil(quota.window / count) }
end

-- What verified at an address or site within a day raises its quota to half of that.
local function raised(quota, subject)
  local hour, verified = math.floor(now / HOUR), 0
  for bucket, count in pairs(hash(otp('verified', subject))) do
    if tonumber(bucket) > hour - 24 then verified = verified + tonumber(count) end
  end
  local count = math.max(quota.count, math.floor(verified / 2))
  return { count = count, window = quota.window, emission = math.ceil(quota.window / count) }
end

-- GCRA cells to charge: { field of the record, key, quota, limit }.
local cells, refusals = {}, {}

local function refuse(limit, at)
  if at then refusals[#refusals + 1] = { limit = limit, at = at } end
end

for _, limit in ipairs({ 'request.phone.cooldown', 'request.phone.hour', 'request.phone.day' }) do
  refuse(limit, log_free_at(sends, quotas[limit].count, quotas[limit].window))
end

-- The refusal is told by the plain quota, the smaller one: so the retry passes even if the bonus has gone by then.
local function origin(limit, subject)
  if not subject then return end
  local cell = { limit = limit, key = otp('cell', limit, subject), quota = raised(quotas[limit], subject) }
  local arrival, at = gcra(cell.key, cell.quota)
  cell.arrival = arrival
  cells[#cells + 1] = cell
  if at then
    local _, plain = gcra(cell.key, quotas[limit])
    refuse(limit, math.max(at, plain or at))
  end
end
origin('request.ip', call.address)
origin('request.site', call.site)

local function global(name, quota)
  local cell = { limit = 'request.global', key = otp('cell', 'request.global', name), quota = quota }
  local at
  cell.arrival, at = gcra(cell.key, quota)
  cells[#cells + 1] = cell
  refuse('request.global', at)
end
global('all', quotas['request.global'])
if not known then global('unknown', half(quotas['request.global'])) end

-- A number counted in the window already is free: Meta counts different numbers.
local quota = quotas['request.recipients']
local counted = number(redis.call('ZSCORE', recipients, call.phone))
if not (counted and counted + quota.window > now) then
  refuse('request.recipients', log_free_at(recipients, quota.count, quota.window))
  if not known then
    refuse('request.recipients', log_free_at(unknown_recipients, half(quota).count, quota.window))
  end
end

-- Counts a refusal of a subject by its own limits; the hold, if it is one now. Refusals never prolong it: it ends when the limit would.
local function count_refusal(subject, own)
  local ends_at
  for _, refusal in ipairs(refusals) do
    if own[refusal.limit] and (not ends_at or refusal.at > ends_at) then ends_at = refusal.at end
  end
  if not ends_at then return nil end
  local key, holds = otp('refused', subject), otp('holds')
  local count = redis.call('INCR', key)
  expire(key, ends_at)
  if count < threshold then return nil end
  redis.call('ZADD', holds, whole(ends_at), subject)
  redis.call('ZREMRANGEBYSCORE', holds, '-inf', whole(now))
  expire(holds, number(redis.call('ZREVRANGE', holds, 0, 0, 'WITHSCORES')[2]))
  return { subject = subject, until_ms = up_ms(ends_at) }
end

if #refusals > 0 then
  local last = refusals[1]
  for _, refusal in ipairs(refusals) do
    if refusal.at > last.at then last = refusal end
  end
  local phone = count_refusal(call.phone_hold,
    { ['request.phone.cooldown'] = true, ['request.phone.hour'] = true, ['request.phone.day'] = true })
  local address = count_refusal(call.address_hold, { ['request.ip'] = true, ['request.site'] = true })
  local hold = phone or address
  if phone and address and address.until_ms > phone.until_ms then hold = address end
  return answer({ verdict = 'refused', limit = last.limit, retry_after_ms = until_ms(last.at), hold = hold })
end

-- Every limit passes: charge all. The call's record keeps what settle.lua needs to undo it.
redis.call('HSET', record, 'at', whole(now))
local longest = math.max(quotas['request.phone.cooldown'].window, quotas['request.phone.hour'].window, quotas['request.phone.day'].window)
redis.call('ZREMRANGEBYSCORE', sends, '-inf', whole(now - longest))
redis.call('ZADD', sends, whole(now), call.id)
expire(sends, now + longest)
for _, cell in ipairs(cells) do
  put(cell.key, whole(cell.arrival), cell.arrival)
  redis.call('HSET', record, 'cell:' .. cell.key, whole(cell.quota.emission))
end

local function count_recipient(key)
  local before = redis.call('ZSCORE', key, call.phone)
  if before then redis.call('HSET', record, 'before:' .. key, whole(tonumber(before))) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now - quota.window))
  redis.call('ZADD', key, whole(now), call.phone)
  expire(key, now + quota.window)
end
count_recipient(recipients)
if not known then count_recipient(unknown_recipients) end

-- The challenge remembers who asked: a right guess gives the share back to them. The first one that was charged has it.
local challenge = otp('challenge', call.challenge)
redis.call('HDEL', challenge, 'early', 'early_message', 'early_reason')
if redis.call('HSETNX', challenge, 'by', call.id) == 1 then
  for _, cell in ipairs(cells) do
    if cell.limit == 'request.ip' then redis.call('HSET', challenge, 'address', call.address, 'address_us', whole(cell.quota.emission)) end
    if cell.limit == 'request.site' then redis.call('HSET', challenge, 'site', call.site, 'site_us', whole(cell.quota.emission)) end
  end
end
expire(challenge, ends + LINGER)

note_answer(nil, now + IN_FLIGHT)
redis.call('DEL', otp('refused', call.phone_hold), otp('refused', call.address_hold))
redis.call('ZREM', otp('holds'), call.phone_hold, call.address_hold)
return answer({ verdict = 'send', attempts_left = math.max(quotas['verify.challenge'].count - guesses, 0) })
