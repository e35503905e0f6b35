-- The gate: every check between a wish and an order, then the reservation and the claim, in one call.
-- The same chain as trading_logic.risk.checks; a shared suite runs both on the same states.
-- KEYS 1 latch 2 epoch 3 term 4 writer lease 5 trading lease 6 risk 7 order 8 rate 9 trades of the day
--      10 exposure 11 reserved 12 open 13 orders 14 counts 15 exit plans 16 flatten
-- ARGV 1 intent id 2 kind 3 epoch 4 term 5 writer token 6 received_ms 7 now_ms 8 cost 9 market 10 game
--      11 maxOrdersPerMinute 12 maxTradesPerDay 13 minPosition 14 maxPosition 15 maxPositionFraction ppm
--      16 maxGameFraction ppm 17 maxExposureFraction ppm 18 client order id 19 group 20 intent JSON
--      21 strategy 22 exit plan JSON or '' 23 count 24 trace 25 trading day
-- Returns {'ok', trading lease ttl_ms} or {'no', rule, value, limit}
local now, cost = tonumber(ARGV[7]), tonumber(ARGV[8])
local entry = ARGV[2] == 'entry'

local function int(value)
  return string.format('%.0f', value)
end

local function cash(value)
  local sign = ''
  if value < 0 then sign, value = '-', -value end
  return sign .. string.format('%.0f.%06.0f', math.floor(value / 1000000), value % 1000000)
end

local function drop(rule, value, limit)
  redis.call('HINCRBY', KEYS[14], 'intents', 1)
  redis.call('HINCRBY', KEYS[14], 'dropped:' .. rule, 1)
  redis.call('XADD', KEYS[13], 'MAXLEN', '~', 100000, '*', 'j', cjson.encode({
    t = 'order', intent_id = ARGV[1], client_order_id = ARGV[18], order_id = '', strategy = ARGV[21], market = ARGV[9],
    state = 'dropped', filled = 0, remaining = 0, reason = rule .. ': ' .. value .. ', limit ' .. limit,
    epoch = tonumber(ARGV[3]), term = tonumber(ARGV[4]), at_ms = now, trace = ARGV[24],
    kind = ARGV[2], rule = rule, value = value, limit = limit }))
  return {'no', rule, value, limit}
end

-- First of all, and without a trace: a claimed intent that is delivered again must not touch its own order.
if redis.call('EXISTS', KEYS[7]) == 1 then return {'no', 'duplicate', ARGV[1], 'once'} end
local causes = redis.call('HKEYS', KEYS[1])
if #causes > 0 then
  table.sort(causes)
  return drop('latch', table.concat(causes, ','), 'none')
end
local epoch = redis.call('GET', KEYS[2]) or '0'
if epoch ~= ARGV[3] then return drop('epoch', ARGV[3], epoch) end
local term = redis.call('GET', KEYS[3]) or '0'
if term ~= ARGV[4] then return drop('term', ARGV[4], term) end
local writer = redis.call('GET', KEYS[4])
if not writer or writer ~= ARGV[5] then return drop('writerLease', writer or 'none', ARGV[5]) end
local lease_left = redis.call('PTTL', KEYS[5])
if lease_left <= 0 then return drop('tradingLease', '0', '> 0') end
local lease = cjson.decode(redis.call('GET', KEYS[5]))
if int(lease.epoch) ~= epoch then return drop('tradingLease', '0', '> 0') end
local risk = redis.call('HMGET', KEYS[6], 'reconciled', 'equity', 'exposure', 'marks')
if risk[1] ~= '1' then return drop('reconciled', 'no', 'yes') end
if entry and risk[4] ~= '' then return drop('marks', risk[4] or 'none', 'fresh') end
local age = now - tonumber(ARGV[6])
if age > 1000 or age < -1000 then return drop('intentAge', int(age), '1000') end

redis.call('ZREMRANGEBYSCORE', KEYS[8], '-inf', '(' .. int(now - 60000))
local per_minute = tonumber(ARGV[11])
local allowed = per_minute
if entry and per_minute > 1 then
  allowed = per_minute - math.max(1, math.floor(per_minute / 5))
end
local sent = redis.call('ZCARD', KEYS[8])
if sent >= allowed then return drop('maxOrdersPerMinute', int(sent), int(allowed)) end

if entry then
  local flatten_left = tonumber(redis.call('HGET', KEYS[16], ARGV[21]) or '0') - now
  if flatten_left > 0 then return drop('flatten', int(flatten_left), '0') end
  local trades = redis.call('SCARD', KEYS[9])
  if trades >= tonumber(ARGV[12]) then return drop('maxTradesPerDay', int(trades), ARGV[12]) end
  if cost < tonumber(ARGV[13]) then return drop('minPositionDollars', cash(cost), cash(tonumber(ARGV[13]))) end
  local equity = tonumber(risk[2])
  local market = tonumber(redis.call('HGET', KEYS[10], 'm:' .. ARGV[9]) or '0')
  local game = tonumber(redis.call('HGET', KEYS[10], 'g:' .. ARGV[10]) or '0')
  local total = tonumber(risk[3])
  local reserved = redis.call('HVALS', KEYS[11])
  for _, row in ipairs(reserved) do
    local m, g, c = row:match('^([^|]*)|([^|]*)|(%d+)$')
    c = tonumber(c)
    total = total + c
    if m == ARGV[9] then market = market + c end
    if g == ARGV[10] then game = game + c end
  end
  local function part(ppm)
    -- In two parts: the whole product can pass 2^53, where doubles stop being exact.
    local whole, rest = math.floor(equity / 1000000), equity % 1000000
    return math.max(0, whole * tonumber(ppm) + math.floor(rest * tonumber(ppm) / 1000000))
  end
  if market + cost > tonumber(ARGV[14]) then
    return drop('maxPositionDollars', cash(market + cost), cash(tonumber(ARGV[14])))
  end
  if market + cost > part(ARGV[15]) then return drop('maxPositionFraction', cash(market + cost), cash(part(ARGV[15]))) end
  if game + cost > part(ARGV[16]) then return drop('maxGameFraction', cash(game + cost), cash(part(ARGV[16]))) end
  if total + cost > part(ARGV[17]) then return drop('maxExposureFraction', cash(total + cost), cash(part(ARGV[17]))) end
  redis.call('SADD', KEYS[9], ARGV[1])
  redis.call('EXPIRE', KEYS[9], 259200)
  redis.call('HSET', KEYS[11], ARGV[1], ARGV[9] .. '|' .. ARGV[10] .. '|' .. ARGV[8])
  redis.call('HSET', KEYS[15], ARGV[9], ARGV[22])
end

redis.call('ZADD', KEYS[8], now, ARGV[1])
redis.call('HSET', KEYS[7], 'state', 'claimed', 'intent', ARGV[20], 'strategy', ARGV[21], 'market', ARGV[9],
  'game', ARGV[10], 'kind', ARGV[2], 'client_order_id', ARGV[18], 'order_id', '', 'group', ARGV[19],
  'epoch', ARGV[3], 'term', ARGV[4], 'cost', ARGV[8], 'count', ARGV[23], 'filled', 0, 'remaining', ARGV[23],
  'booked', 0, 'day', ARGV[25], 'reason', '', 'claimed_ms', ARGV[7], 'updated_ms', ARGV[7], 'trace', ARGV[24])
redis.call('SADD', KEYS[12], ARGV[1])
redis.call('HINCRBY', KEYS[14], 'intents', 1)
redis.call('HINCRBY', KEYS[14], 'claimed', 1)
redis.call('XADD', KEYS[13], 'MAXLEN', '~', 100000, '*', 'j', cjson.encode({
  t = 'order', intent_id = ARGV[1], client_order_id = ARGV[18], order_id = '', strategy = ARGV[21], market = ARGV[9],
  state = 'claimed', filled = 0, remaining = tonumber(ARGV[23]), reason = '', epoch = tonumber(ARGV[3]),
  term = tonumber(ARGV[4]), at_ms = now, trace = ARGV[24], kind = ARGV[2] }))
return {'ok', lease_left}
