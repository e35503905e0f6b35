"""Token buckets per tier, refilled continuously."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["read", "write"]
_KINDS: tuple[Kind, ...] = ("read", "write")
DEFAULT_COST = 10
CANCEL_COST = 2
GET_ORDER_COST = 2
UPGRADE_COST = 30


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens per second and the most a bucket holds."""

    refill_rate: int
    bucket_capacity: int


@dataclass(frozen=True, slots=True)
class Tier:
    read: Budget
    write: Budget


def _tier(read: int, write: int, read_seconds: int = 1, write_seconds: int = 3) -> Tier:
    return Tier(Budget(read, read * read_seconds), Budget(write, write * write_seconds))


TIERS = {
    "basic": _tier(200, 100, read_seconds=3, write_seconds=1),
    "advanced": _tier(300, 300, read_seconds=3),
    "expert": _tier(600, 600),
    "premier": _tier(1200, 1200),
    "paragon": _tier(2400, 2400),
    "prime": _tier(4800, 4800),
    "prestige": _tier(12_000, 9600),
}


class Bucket:
    """One bucket; time in seconds is an argument."""

    def __init__(self, budget: Budget, now: float) -> None:
        self._budget = budget
        self._tokens = float(budget.bucket_capacity)
        self._at = now

    def take(self, cost: int, now: float) -> bool:
        """Take ``cost`` tokens if they are there."""
        gained = max(0.0, now - self._at) * self._budget.refill_rate
        self._tokens = min(self._budget.bucket_capacity, self._tokens + gained)
        self._at = max(now, self._at)
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True


class Limiter:
    """Read and write buckets of every account."""

    def __init__(self, tier_name: str) -> None:
        self._default = tier_name
        self._tiers: dict[str, str] = {}
        self._buckets: dict[tuple[str, Kind], Bucket] = {}

    def tier_of(self, account_id: str) -> str:
        return self._tiers.get(account_id, self._default)

    def set_tier(self, account_id: str, tier_name: str) -> None:
        """Move an account to another tier, its buckets full."""
        self._tiers[account_id] = tier_name
        for kind in _KINDS:
            self._buckets.pop((account_id, kind), None)

    def take(self, account_id: str, kind: Kind, cost: int, now: float) -> bool:
        bucket = self._buckets.get((account_id, kind))
        if bucket is None:
            tier = TIERS[self.tier_of(account_id)]
            bucket = self._buckets[account_id, kind] = Bucket(tier.read if kind == "read" else tier.write, now)
        return bucket.take(cost, now)
