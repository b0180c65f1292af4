-- Moves a delivery forwards. A receipt can overtake the settlement of its own send: then it waits as `early`.

local challenge = otp('challenge', call.challenge)
local known = hash(challenge)
if not next(known) then return cjson.encode({ verdict = 'unknown' }) end
local function ahead_of(field) return not known[field] or ranks[call.delivery] > ranks[known[field]] end
if ahead_of('early') then redis.call('HSET', challenge, 'early', call.delivery) end
if known.delivery and ahead_of('delivery') then redis.call('HSET', challenge, 'delivery', call.delivery) end
return cjson.encode({ verdict = 'done' })
