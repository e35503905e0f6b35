-- One step of an order's life, by the executor. Reservations stay: the ledger alone removes them.
-- KEYS order, by-order-id, orders, counts
-- ARGV intent id, new state, order id ('' keeps), filled, remaining, reason, now_ms, states it may come from (csv),
--      rule, value, limit: the no of a check of ours after the claim, '' for what the exchange said
-- Returns 1, or {0, state} as text 'no:<state>' when the order is not in one of those states
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'no:absent' end
if not (',' .. ARGV[8] .. ','):find(',' .. state .. ',', 1, true) then return 'no:' .. state end
-- Answers and frames can overtake each other: what was filled never falls, what remains never rises.
local remaining = math.min(tonumber(redis.call('HGET', KEYS[1], 'remaining')), tonumber(ARGV[5]))
local filled = math.max(tonumber(redis.call('HGET', KEYS[1], 'filled')), tonumber(ARGV[4]))
if ARGV[3] ~= '' then
  if redis.call('HGET', KEYS[1], 'order_id') == '' then redis.call('HINCRBY', KEYS[4], 'accepted', 1) end
  redis.call('HSET', KEYS[1], 'order_id', ARGV[3])
  redis.call('HSET', KEYS[2], ARGV[3], ARGV[1])
end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'filled', string.format('%.0f', filled), 'remaining', string.format('%.0f', remaining),
  'reason', ARGV[6], 'updated_ms', ARGV[7])
if ARGV[2] ~= state and (ARGV[2] == 'refused' or ARGV[2] == 'unknown' or ARGV[2] == 'abandoned') then
  redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
end
local o = redis.call('HMGET', KEYS[1], 'client_order_id', 'order_id', 'strategy', 'market', 'epoch', 'term', 'trace')
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 100000, '*', 'j', cjson.encode({
  t = 'order', intent_id = ARGV[1], client_order_id = o[1], order_id = o[2], strategy = o[3], market = o[4],
  state = ARGV[2], filled = filled, remaining = remaining, reason = ARGV[6], epoch = tonumber(o[5]),
  term = tonumber(o[6]), at_ms = tonumber(ARGV[7]), trace = o[7],
  rule = ARGV[9], value = ARGV[10], limit = ARGV[11] }))
return 'ok'
