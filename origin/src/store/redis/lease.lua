-- Takes or renews the publisher's lease. Every lease is a greater number than all before: whoever lost it without noticing is outbid (fencing).

local held, last = 'operator:{v1}:lease', 'operator:{v1}:lease:last'
local holder = redis.call('GET', held)
if holder and holder ~= call.replica then return cjson.encode({ verdict = 'unknown' }) end
put(held, call.replica, now + call.ttl_ms * 1000)
local version = math.max((number(redis.call('GET', last)) or 0) + 1, math.floor(now / 1000))
redis.call('SET', last, whole(version))
return cjson.encode({ verdict = 'version', version = version })
