-- The ledger's one writing call: books at most one fill or settlement and the state that follows from it.
-- KEYS 1 ledger lease 2 guard hash (booked or settled) 3 positions 4 exposure 5 risk 6 reserved 7 open 8 order
--      9 trades of the order's day 10 counts 11 booked 12 settled
-- ARGV 1 ledger token 2 guard field ('' = nothing to book) 3 guard body 4 JSON of the change:
--      {positions: {market: text | false}, exposure: {field: text}, risk: {field: text}, reserved: text | false | nil,
--       booked: n (count booked on the order so far) | nil, close: bool, unfilled: bool, intent: text, counts: {name: n},
--       old_fills: {id: text}, old_settlements: {market: text} (what was there before this record; never booked again)}
--      5 the ledger sequence that this ledger last wrote or loaded ('' = none yet)
-- Returns 'ok', 'twice' (already booked; nothing changed), 'fenced' (another ledger holds the lease) or
-- 'older' (the record is not the one this ledger last saw: nothing changed)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
if (redis.call('HGET', KEYS[5], 'seq') or '') ~= ARGV[5] then return 'older' end
if ARGV[2] ~= '' and redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 0 then return 'twice' end
local change = cjson.decode(ARGV[4])
for market, body in pairs(change.positions or {}) do
  if body then redis.call('HSET', KEYS[3], market, body) else redis.call('HDEL', KEYS[3], market) end
end
for field, value in pairs(change.exposure or {}) do
  if value == '0' then redis.call('HDEL', KEYS[4], field) else redis.call('HSET', KEYS[4], field, value) end
end
for field, value in pairs(change.risk or {}) do redis.call('HSET', KEYS[5], field, value) end
for id, body in pairs(change.old_fills or {}) do redis.call('HSETNX', KEYS[11], id, body) end
for market, body in pairs(change.old_settlements or {}) do redis.call('HSETNX', KEYS[12], market, body) end
for name, n in pairs(change.counts or {}) do redis.call('HINCRBY', KEYS[10], name, n) end
if change.reserved == false then
  redis.call('HDEL', KEYS[6], change.intent)
elseif change.reserved ~= nil then
  redis.call('HSET', KEYS[6], change.intent, change.reserved)
end
if change.booked ~= nil then redis.call('HSET', KEYS[8], 'booked', change.booked) end
if change.unfilled then redis.call('SREM', KEYS[9], change.intent) end
if change.close then
  redis.call('SREM', KEYS[7], change.intent)
  redis.call('EXPIRE', KEYS[8], 1209600)
end
return 'ok'
