import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exchange.budget import TIERS, Budget, Limits, TokenBucket
from services.exchange.errors import TemporaryError


class StepClock:
    """Time stands still; sleepers wake in order of their time when the test lets them."""

    def __init__(self) -> None:
        self.t = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_ms(self) -> int:
        return int(self.t * 1000)

    def monotonic(self) -> float:
        return self.t

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.t + seconds, future))
        await future

    async def run(self, *, until: float) -> None:
        await asyncio.sleep(0)
        while self._sleepers:
            self._sleepers.sort(key=lambda pair: pair[0])
            when, future = self._sleepers[0]
            if when > until:
                break
            self.t = max(self.t, when)
            self._sleepers.pop(0)
            if not future.done():
                future.set_result(None)
            for _ in range(3):
                await asyncio.sleep(0)
        self.t = max(self.t, until)


calls = st.lists(st.tuples(st.floats(0, 2), st.sampled_from([2, 10, 20]), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=100)
@given(calls)
def test_no_window_ever_holds_more_than_the_venue_allows(asked) -> None:
    rate, capacity = 100.0, 100.0

    async def scenario() -> list[tuple[float, int]]:
        clock = StepClock()
        budget = Budget(Limits(200, 600, rate, capacity), clock)
        sent: list[tuple[float, int]] = []

        async def call(cost: int, critical: bool) -> None:
            await budget.acquire("write", cost, critical=critical)
            sent.append((clock.t, cost))

        tasks = []
        for pause, cost, critical in asked:
            await clock.run(until=clock.t + pause)
            tasks.append(asyncio.create_task(call(cost, critical)))
            await asyncio.sleep(0)
        await clock.run(until=clock.t + 100)
        await asyncio.gather(*tasks)
        return sent

    sent = asyncio.run(scenario())
    assert len(sent) == len(asked)
    for i in range(len(sent)):
        for j in range(i, len(sent)):
            spent = sum(cost for _, cost in sent[i : j + 1])
            assert spent <= capacity + rate * (sent[j][0] - sent[i][0]) + 1e-6


async def test_a_cancel_does_not_wait_behind_orders() -> None:
    clock = StepClock()
    budget = Budget(TIERS["basic"], clock)
    orders = [asyncio.create_task(budget.acquire("write")) for _ in range(50)]
    await asyncio.sleep(0)
    assert sum(task.done() for task in orders) == 8, "80 of the 100 tokens are for orders"
    await asyncio.wait_for(budget.acquire("write", 2, critical=True), 1)
    await asyncio.wait_for(budget.acquire("write", 10, critical=True), 1)
    assert clock.t == 0.0
    await clock.run(until=100)
    await asyncio.gather(*orders)


async def test_reads_and_writes_have_their_own_buckets() -> None:
    clock = StepClock()
    budget = Budget(TIERS["basic"], clock)
    for _ in range(60):
        await asyncio.wait_for(budget.acquire("read"), 1)
    await asyncio.wait_for(budget.acquire("write"), 1)


async def test_a_wait_that_would_be_too_long_is_refused_and_costs_nothing(clock) -> None:
    bucket = TokenBucket(10, 10, clock)
    await bucket.take(10)
    with pytest.raises(TemporaryError, match=r"need 1\.000 s, allowed are 0\.500 s; nothing was sent"):
        await bucket.take(10, max_wait_s=0.5)
    assert bucket.tokens() == 0.0


async def test_a_cancelled_waiter_gives_its_tokens_back() -> None:
    clock = StepClock()
    bucket = TokenBucket(10, 10, clock)
    await bucket.take(10)
    task = asyncio.create_task(bucket.take(10))
    await asyncio.sleep(0)
    assert bucket.tokens() == -10.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bucket.tokens() == 0.0


async def test_what_never_fits_is_an_error_and_a_429_empties_the_bucket(clock) -> None:
    budget = Budget(TIERS["basic"], clock)
    with pytest.raises(ValueError, match="split the call"):
        await budget.acquire("write", 90)
    budget.rejected("write")
    await budget.acquire("write", 8)
    assert clock.slept == [pytest.approx(0.1)], "80 tokens per second are for orders"


def test_a_share_is_bounded() -> None:
    half = TIERS["basic"].share(0.5)
    assert (half.read_rate, half.write_rate, half.write_capacity) == (100, 50, 50)
    with pytest.raises(ValueError, match="at most 1"):
        TIERS["basic"].share(1.5)
