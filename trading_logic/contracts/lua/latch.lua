-- Add or remove one cause of a policy's latch. The only way to write it.
-- KEYS latch, epoch, risk-events, halt
-- ARGV op (add|remove), cause id, cause JSON, now_ms, nudge channel
-- Returns {changed 0|1, epoch, causes left}
local latch, epoch, events, halt = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local op, id, body, now, nudge = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

local function record(kind, cause)
  redis.call('XADD', events, 'MAXLEN', '~', 10000, '*', 'j', cjson.encode({
    t = 'risk', kind = kind, source = cause.source, rule = cause.rule or '', value = cause.value or '',
    limit = cause.limit or '', reason = cause.reason, epoch = tonumber(redis.call('GET', epoch) or '0'), at_ms = now }))
  redis.call('PUBLISH', nudge, kind)
end

if op == 'add' then
  local was_empty = redis.call('HLEN', latch) == 0
  if redis.call('HSETNX', latch, id, body) == 0 then
    return {0, tonumber(redis.call('GET', epoch) or '0'), redis.call('HLEN', latch)}
  end
  if was_empty then
    redis.call('INCR', epoch)
    redis.call('DEL', halt)
  end
  record('latched', cjson.decode(body))
elseif op == 'remove' then
  local found = redis.call('HGET', latch, id)
  if not found then
    return {0, tonumber(redis.call('GET', epoch) or '0'), redis.call('HLEN', latch)}
  end
  redis.call('HDEL', latch, id)
  if redis.call('HLEN', latch) == 0 then
    -- A new epoch, so that no claim, lease or order group of the halted time is good again.
    redis.call('INCR', epoch)
    redis.call('DEL', halt)
  end
  record('resumed', cjson.decode(found))
else
  return redis.error_reply('latch: op must be add or remove, not ' .. op)
end
return {1, tonumber(redis.call('GET', epoch)), redis.call('HLEN', latch)}
