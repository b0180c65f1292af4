-- Takes in a receipt. The same as `memory/challenges.rs`.

return cjson.encode({ verdict = hear(call) and 'done' or 'unknown' })
