-- Charges one GCRA cell alone.

local cell = otp('cell', call.limit, call.key)
local arrival, at = gcra(cell, quotas[call.limit])
if at then return cjson.encode({ verdict = 'refused', retry_after_ms = until_ms(at) }) end
put(cell, whole(arrival), arrival)
return cjson.encode({ verdict = 'done' })
