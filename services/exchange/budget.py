"""Token buckets that keep us under the venue's rate limits (Kalshi, "Rate limits": costs and tiers).

Both buckets refill continuously. A share of the write bucket is set apart for cancels and group triggers, with its
own refill: however many orders wait, a halt does not wait behind them. The two parts together never exceed the
venue's bucket.
"""

from dataclasses import dataclass
from typing import Final, Literal

from services.exchange.clock import Clock
from services.exchange.errors import TemporaryError
from trading_logic.refusal import Refusal

Kind = Literal["read", "write"]

DEFAULT_COST: Final = 10
CANCEL_COST: Final = 2
GET_ORDER_COST: Final = 2
WRITE_RESERVE: Final = 0.2


@dataclass(frozen=True)
class Limits:
    """Tokens per second and bucket sizes, as `GET /account/limits` reports them."""

    read_rate: float
    read_capacity: float
    write_rate: float
    write_capacity: float

    def share(self, fraction: float) -> "Limits":
        """The part of one process, where several use the same account: the venue counts them together."""
        if not 0 < fraction <= 1:
            raise ValueError(f"share of the rate limits must be above 0 and at most 1, got {fraction}")
        return Limits(
            self.read_rate * fraction,
            self.read_capacity * fraction,
            self.write_rate * fraction,
            self.write_capacity * fraction,
        )


def _tier(read: int, write: int, *, read_hold_s: int, write_hold_s: int) -> Limits:
    return Limits(read, read * read_hold_s, write, write * write_hold_s)


TIERS: Final = {
    "basic": _tier(200, 100, read_hold_s=3, write_hold_s=1),
    "advanced": _tier(300, 300, read_hold_s=3, write_hold_s=3),
    "expert": _tier(600, 600, read_hold_s=1, write_hold_s=3),
    "premier": _tier(1200, 1200, read_hold_s=1, write_hold_s=3),
    "paragon": _tier(2400, 2400, read_hold_s=1, write_hold_s=3),
    "prime": _tier(4800, 4800, read_hold_s=1, write_hold_s=3),
    "prestige": _tier(12000, 9600, read_hold_s=1, write_hold_s=3),
}


class TokenBucket:
    """Tokens that refill with time. Callers are served in the order in which they ask.

    A caller that finds too few tokens takes them all the same and waits until the debt is paid: one sleep, no queue.
    """

    def __init__(self, rate: float, capacity: float, clock: Clock) -> None:
        if rate <= 0 or capacity <= 0:
            raise ValueError(f"rate and capacity must be above 0, got {rate} and {capacity}")
        self.rate = rate
        self.capacity = capacity
        self._clock = clock
        self._tokens = capacity
        self._at = clock.monotonic()

    def tokens(self) -> float:
        """Tokens there are now; below zero while callers wait."""
        now = self._clock.monotonic()
        self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def wait_for(self, cost: float) -> float:
        """Seconds that a caller asking now would wait."""
        return max(0.0, (cost - self.tokens()) / self.rate)

    async def take(self, cost: float, *, max_wait_s: float | None = None) -> None:
        """Wait for `cost` tokens. Raises TemporaryError, taking none, when that needs more than `max_wait_s`."""
        if cost > self.capacity:
            raise ValueError(f"cost {cost} can never be paid from a bucket of {self.capacity}: split the call")
        wait_s = self.wait_for(cost)
        if max_wait_s is not None and wait_s > max_wait_s:
            raise TemporaryError(
                f"rate budget: {cost} tokens need {wait_s:.3f} s, allowed are {max_wait_s:.3f} s; nothing was sent",
                no=Refusal("rateBudget", f"{wait_s:.3f} s", f"{max_wait_s:.3f} s"),
            )
        self._tokens -= cost
        if wait_s > 0:
            try:
                await self._clock.sleep(wait_s)
            except BaseException:
                self._tokens += cost  # a cancelled caller sends nothing
                raise

    def empty(self) -> None:
        """The venue said 429: it counts more than we do, so what we believed to have is gone."""
        self._tokens = min(0.0, self.tokens())


class Budget:
    """The read and the write bucket of one process."""

    def __init__(self, limits: Limits, clock: Clock, *, reserve: float = WRITE_RESERVE) -> None:
        """`reserve` is the fraction of the write bucket that only critical calls use, between 0 and 1."""
        if not 0 < reserve < 1:
            raise ValueError(f"reserve must be between 0 and 1, got {reserve}")
        self._clock = clock
        self._reserve = reserve
        self.apply(limits)

    def apply(self, limits: Limits) -> None:
        """Use other limits from now on, starting with full buckets (as the venue reports a tier)."""
        rate, capacity = limits.write_rate, limits.write_capacity
        self._read = TokenBucket(limits.read_rate, limits.read_capacity, self._clock)
        self._write = TokenBucket(rate * (1 - self._reserve), capacity * (1 - self._reserve), self._clock)
        self._critical = TokenBucket(rate * self._reserve, capacity * self._reserve, self._clock)

    @property
    def largest_batch_cost(self) -> int:
        """The most that one critical call may cost."""
        return int(max(self._write.capacity, self._critical.capacity))

    async def acquire(
        self, kind: Kind, cost: int = DEFAULT_COST, *, critical: bool = False, max_wait_s: float | None = None
    ) -> None:
        """Wait until a call of `cost` tokens may be sent. A critical one takes whichever part is ready first."""
        if kind == "read":
            bucket = self._read
        elif not critical:
            bucket = self._write
        else:
            payable = [part for part in (self._critical, self._write) if cost <= part.capacity]
            bucket = min(payable, key=lambda part: part.wait_for(cost), default=self._critical)
        await bucket.take(cost, max_wait_s=max_wait_s)

    def rejected(self, kind: Kind) -> None:
        """Tell the budget of a 429."""
        for bucket in (self._read,) if kind == "read" else (self._write, self._critical):
            bucket.empty()
