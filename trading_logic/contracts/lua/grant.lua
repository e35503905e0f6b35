-- The ledger grants the trading lease: only while the latch is empty, the epoch is the one it reconciled, and it is
-- itself the ledger. Never extends a lease of another epoch.
-- KEYS ledger lease, latch, epoch, trading lease · ARGV token, epoch, lease JSON, ttl_ms · Returns 'ok' | 'fenced' | 'latch' | 'epoch'
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'fenced' end
if redis.call('HLEN', KEYS[2]) > 0 then
  redis.call('DEL', KEYS[4])
  return 'latch'
end
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 'epoch' end
redis.call('SET', KEYS[4], ARGV[3], 'PX', ARGV[4])
return 'ok'
