-- Charges the address that asked for a message with more sends than it asked for, once, and up to its whole quota.

local note = note_of(call.message)
if not note or not note.requester then return cjson.encode({ verdict = 'unknown' }) end

local cell, quota = otp('cell', 'request.ip', note.requester), quotas['request.ip']
local arrival = math.max(number(redis.call('GET', cell)) or now, now)
local charged = math.max(math.min(arrival + quota.emission * call.sends, now + quota.window), arrival)
put(cell, whole(charged), charged)
note.requester = nil
keep_note(call.message, note)
return cjson.encode({ verdict = 'done' })
