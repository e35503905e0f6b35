"""A burst of edits is seen together; whoever a halt waits for sees each at once."""

from __future__ import annotations

import asyncio

from tests.fakes.cluster import FakeClock, FakeCluster, FakeRiskFeed
from tests.fakes.resources import policy, strategy
from touchline_operator.desired.world import World
from touchline_operator.reconcile.gather import Gatherer

BURST_MS = 100


class Turning(FakeClock):
    """Time passes when somebody waits for it."""

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self.now_ms += 10


def names(world: World) -> set[str]:
    return set(world.strategy_by_name)


async def edited() -> tuple[FakeCluster, Turning, Gatherer]:
    """A gatherer that has seen one edit just now, and not yet another."""
    cluster, clock = FakeCluster(), Turning()
    gatherer = Gatherer(cluster, FakeRiskFeed(), clock, others_ms=2_000, burst_ms=BURST_MS)
    cluster.put(policy())
    cluster.put(strategy("a"))
    assert names(await gatherer.world()) == {"a"}
    cluster.put(strategy("b", "KXNFLGAME-26JAN00002"))
    return cluster, clock, gatherer


async def test_passes_of_a_burst_wait_and_share_one_world_with_all_of_it() -> None:
    cluster, clock, gatherer = await edited()
    began = clock.mono_ms()
    turning = asyncio.create_task(clock.follow())
    asked = [asyncio.create_task(gatherer.world()) for _ in range(10)]
    await asyncio.sleep(0)
    cluster.put(strategy("c", "KXNFLGAME-26JAN00003"))
    worlds = await asyncio.gather(*asked)
    turning.cancel()
    assert clock.mono_ms() - began >= BURST_MS
    assert {id(world) for world in worlds} == {id(worlds[0])}
    assert names(worlds[0]) == {"a", "b", "c"}


async def test_the_pass_of_a_policy_does_not_wait() -> None:
    cluster, clock, gatherer = await edited()
    assert names(await gatherer.world("house")) == {"a", "b"}
    cluster.put(policy(halt=True))
    world = await gatherer.world("house")
    assert world.policy_by_name["house"].spec.halt
    assert clock.mono_ms() == FakeClock().mono_ms()


async def test_a_status_that_was_written_makes_nobody_wait() -> None:
    cluster, clock, gatherer = await edited()
    world = await gatherer.world("house")
    cluster.written["TradingStrategy", "a"]["status"] = {"replicas": 1}
    assert await gatherer.world() is world
    assert clock.mono_ms() == FakeClock().mono_ms()


async def test_the_first_edit_after_a_quiet_while_is_seen_at_once() -> None:
    _, clock, gatherer = await edited()
    clock.now_ms += BURST_MS
    assert names(await gatherer.world()) == {"a", "b"}
