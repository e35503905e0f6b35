from __future__ import annotations

import pytest

from tests.fakes.cluster import FakeClock, FakeCluster, FakeRiskFeed
from tests.fakes.resources import policy, strategy
from touchline_operator import names
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import loops
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.reconcile.act import Reconciler
from trading_logic.contracts.record import Cause

PLATFORM = Platform(
    namespace="default", bus_url="redis://b", record_url="redis://r", endpoints={"Simulator": Endpoint("h", "w")}
)
CAUSE = Cause(id="drawdown-1", source="Drawdown", reason="deep", by="ledger", time_ms=1_700_000_000_000)


class Bench:
    def __init__(self) -> None:
        self.cluster, self.feed = FakeCluster(), FakeRiskFeed()
        self.reconciler = Reconciler(self.cluster, self.feed, FakeClock(), PLATFORM, status_every_ms=0)

    async def turn(self) -> None:
        found = await self.cluster.owned({names.MANAGED_BY: names.FIELD_MANAGER})
        left = {
            LoopKey("strategy", o["metadata"]["labels"][names.STRATEGY])
            for o in found
            if names.STRATEGY in o["metadata"]["labels"]
        }
        for key in sorted(loops(await self.reconciler.world()) | left, key=str):
            await self.reconciler.reconcile(key)


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.cluster.put(policy())
    made.cluster.put(strategy())
    await made.turn()
    return made


async def test_both_kinds_are_held_and_only_once(bench: Bench) -> None:
    for written in bench.cluster.written.values():
        assert written["metadata"]["finalizers"] == [names.FINALIZER]


async def test_a_deleted_strategy_goes_after_its_last_order(bench: Bench) -> None:
    bench.feed.set("house", PolicyFacts(open_orders={"sunday": 1}))
    bench.cluster.delete_resource("TradingStrategy", "sunday")
    await bench.turn()
    assert set(bench.cluster.replicas("executor").values()) == {0}
    await bench.turn()
    ready = bench.cluster.written["TradingStrategy", "sunday"]["status"]["conditions"][0]
    assert (ready["reason"], "1 of its orders" in ready["message"]) == ("Deleted", True)
    bench.feed.set("house", PolicyFacts())
    await bench.turn()
    assert ("TradingStrategy", "sunday") not in bench.cluster.written
    await bench.turn()
    assert bench.cluster.replicas("executor") == {}


async def test_a_silent_record_holds_a_deleted_policy_and_its_ledger(bench: Bench) -> None:
    bench.cluster.delete_resource("RiskPolicy", "house")
    bench.feed.away = True
    bench.reconciler._gatherer._facts.clear()
    for _ in range(3):
        await bench.turn()
    assert ("RiskPolicy", "house") in bench.cluster.written
    assert list(bench.cluster.replicas("ledger").values()) == [1]
    assert set(bench.cluster.replicas("executor").values()) == {0}
    bench.feed.away = False
    await bench.turn()
    assert ("RiskPolicy", "house") not in bench.cluster.written


async def test_a_resource_that_others_still_hold_is_no_longer_ours(bench: Bench) -> None:
    meta = bench.cluster.written["TradingStrategy", "sunday"]["metadata"]
    meta |= {"deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["foregroundDeletion"]}
    bench.cluster.written["TradingStrategy", "sunday"]["status"] = {}
    await bench.turn()
    assert bench.cluster.replicas("executor") == {}
    assert bench.cluster.written["TradingStrategy", "sunday"]["status"] == {}


async def test_a_lost_record_is_latched_again_with_its_causes_and_only_once(bench: Bench) -> None:
    bench.feed.set("house", PolicyFacts(causes=(CAUSE,), epoch=4, incarnation="a", risk={"seq": "7"}))
    await bench.turn()
    bench.feed.set("house", PolicyFacts(incarnation="b"))
    await bench.turn()
    causes = bench.feed.by_policy["house"].causes
    assert {cause.id for cause in causes} == {"drawdown-1", "redis-changed-b"}
    bench.feed.set("house", PolicyFacts(epoch=2, incarnation="b"))
    await bench.turn()
    assert bench.feed.by_policy["house"].causes == (), "a resumed halt came back"
