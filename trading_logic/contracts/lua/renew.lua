-- Renew (ttl_ms > 0) or release (ttl_ms = 0) a lease that this token holds.
-- KEYS lease · ARGV token, ttl_ms · Returns 1, or 0 when another holds it or nobody does
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('DEL', KEYS[1])
