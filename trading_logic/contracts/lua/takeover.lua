-- One writer per strategy: take the writer lease and raise the term, or say who holds it.
-- KEYS writer lease, term, strategies
-- ARGV token, ttl_ms, strategy, strategy JSON
-- Returns {1, term} or {0, holder's ttl_ms}
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
  return {1, redis.call('INCR', KEYS[2])}
end
return {0, redis.call('PTTL', KEYS[1])}
