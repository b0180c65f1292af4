-- Lists the holds in force; with `call.lift`, lifts one and forgets the refusals behind it.

local holds = otp('holds')
if call.lift then
  redis.call('DEL', otp('refused', call.lift))
  local was = number(redis.call('ZSCORE', holds, call.lift))
  redis.call('ZREM', holds, call.lift)
  return cjson.encode({ verdict = was and was > now and 'done' or 'unknown' })
end
local flat, found = redis.call('ZRANGEBYSCORE', holds, '(' .. whole(now), '+inf', 'WITHSCORES'), {}
for i = 1, #flat, 2 do found[#found + 1] = { subject = flat[i], until_ms = up_ms(tonumber(flat[i + 1])) } end
if #found == 0 then return '{"verdict":"holds","holds":[]}' end
return cjson.encode({ verdict = 'holds', holds = found })
