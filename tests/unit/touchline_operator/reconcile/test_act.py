from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.fakes.cluster import FakeClock, FakeCluster, FakeRiskFeed
from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import loops
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.gather import FACTS_GOOD_MS, FAULT_KEPT_MS, SLATES_GOOD_MS
from touchline_operator.reconcile.manager import Manager, backoff
from trading_logic.contracts.messages import Fault, Report, Slate, SlateEvent
from trading_logic.contracts.record import Cause, HaltState, PositionRecord

PLATFORM = Platform(
    namespace="default",
    bus_url="redis://bus",
    record_url="redis://record",
    endpoints={"Simulator": Endpoint("http://sim", "ws://sim")},
)
CAUSE = Cause(id="manual", source="Manual", reason="test", by="me", time_ms=1)


def halted(state: str, epoch: int = 2) -> PolicyFacts:
    halt = HaltState(epoch=epoch, since_ms=1, resting=0, state=state, confirmed_ms=2, message="")
    return PolicyFacts(causes=(CAUSE,), epoch=2, halt=halt)


class Bench:
    def __init__(self, **options) -> None:
        self.cluster, self.feed, self.clock = FakeCluster(**options), FakeRiskFeed(), FakeClock()
        self.reconciler = Reconciler(self.cluster, self.feed, self.clock, PLATFORM)

    async def turn(self) -> None:
        for key in sorted(loops(await self.reconciler.world()), key=str):
            await self.reconciler.reconcile(key)

    def condition(self, kind: str, name: str, wanted: str) -> dict:
        return next(c for c in self.cluster.written[kind, name]["status"]["conditions"] if c["type"] == wanted)

    def executors(self) -> list[int]:
        return list(self.cluster.replicas("executor").values())


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.cluster.put(policy())
    made.cluster.put(strategy())
    return made


async def test_a_strategy_with_its_policy_gets_every_process(bench):
    await bench.turn()
    for role in ("catalog", "ingest", "source", "consumer", "decision", "executor", "ledger"):
        assert list(bench.cluster.replicas(role).values()) == [1], role


async def test_two_strategies_share_the_processes_of_their_event(bench):
    bench.cluster.put(policy("second"))
    bench.cluster.put(strategy("other", riskPolicyRef={"name": "second"}))
    await bench.turn()
    assert len(bench.cluster.replicas("ingest")) == 1
    ingest = next(
        o for o in bench.cluster.objects.values() if o["metadata"]["labels"]["app.kubernetes.io/component"] == "ingest"
    )
    owners = ingest["metadata"]["ownerReferences"]
    assert [o["name"] for o in owners] == ["sunday", "other"]
    assert not any(o["controller"] for o in owners)
    assert len(bench.cluster.replicas("executor")) == len(bench.cluster.replicas("decision")) == 2


async def test_a_confirmed_halt_puts_the_executor_at_zero_and_a_resume_brings_it_back(bench):
    await bench.turn()
    bench.feed.set("house", halted("draining"))
    await bench.turn()
    assert bench.executors() == [1]
    assert bench.condition("RiskPolicy", "house", "Halted")["reason"] == "Draining"
    bench.feed.set("house", halted("confirmed"))
    await bench.turn()
    assert bench.executors() == [0]
    await bench.turn()
    assert bench.condition("RiskPolicy", "house", "Halted")["status"] == "True"
    assert set(bench.cluster.replicas("decision").values()) == set(bench.cluster.replicas("ledger").values()) == {1}
    bench.feed.set("house", PolicyFacts(epoch=3))
    await bench.turn()
    assert bench.executors() == [1]
    assert bench.condition("RiskPolicy", "house", "Halted")["status"] == "False"


async def test_a_halt_is_not_true_while_an_executor_still_runs(bench):
    bench.cluster.auto_settle = False
    await bench.turn()
    bench.cluster.settle()
    bench.feed.set("house", halted("confirmed"))
    await bench.turn()
    assert bench.executors() == [0]
    assert bench.condition("RiskPolicy", "house", "Halted")["status"] == "False"
    bench.cluster.settle()
    await bench.turn()
    assert bench.condition("RiskPolicy", "house", "Halted")["status"] == "True"


async def test_a_halt_confirmed_in_another_epoch_stops_nothing(bench):
    bench.feed.set("house", halted("confirmed", epoch=1))
    await bench.turn()
    assert bench.executors() == [1]


async def test_spec_halt_becomes_one_manual_cause(bench):
    bench.cluster.put(policy(halt=True, haltReason="weather"))
    await bench.turn()
    await bench.turn()
    facts = bench.feed.by_policy["house"]
    assert [(c.id, c.source, c.reason) for c in facts.causes] == [("manual", "Manual", "weather")]
    assert facts.epoch == 1


async def test_a_silent_record_is_forgiven_for_a_moment_then_executors_go_to_zero(bench):
    await bench.turn()
    bench.feed.away = True
    await bench.turn()
    assert bench.executors() == [1]
    bench.clock.now_ms += FACTS_GOOD_MS + 1
    await bench.turn()
    assert bench.executors() == [0]
    assert bench.condition("TradingStrategy", "sunday", "Ready")["reason"] == "RecordUnreachable"
    bench.feed.away = False
    await bench.turn()
    assert bench.executors() == [1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.remove("RiskPolicy", "house"), "RiskPolicyNotFound"),
        (lambda c: c.put(policy(maxDrawdown="2")), "InvalidPolicy"),
        (lambda c: c.put(strategy(suspend=True)), "Suspended"),
        (lambda c: c.put(strategy(executor={"replicas": 0})), "ScaledToZero"),
        (lambda c: c.put(strategy(sizing={"kellyFraction": "0.9"})), "InvalidSpec"),
    ],
)
async def test_what_may_not_trade_is_at_zero_and_says_why(bench, change, reason):
    await bench.turn()
    change(bench.cluster)
    await bench.turn()
    assert bench.executors() == [0]
    assert bench.condition("TradingStrategy", "sunday", "Ready")["reason"] == reason


async def test_what_a_strategy_leaves_behind_is_deleted(bench):
    await bench.turn()
    bench.cluster.put(strategy(event=OTHER_EVENT))
    await bench.turn()
    await bench.reconciler.reconcile(LoopKey("event", "simulator", EVENT))
    annotations = [
        o["metadata"].get("annotations", {}).get("touchline.dev/event") for o in bench.cluster.objects.values()
    ]
    assert EVENT not in annotations
    assert OTHER_EVENT in annotations


async def test_the_ledger_outlives_the_executors_of_a_deleted_policy(bench):
    bench.cluster.auto_settle = False
    await bench.turn()
    bench.cluster.settle()
    bench.cluster.remove("RiskPolicy", "house")
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    await bench.reconciler.reconcile(LoopKey("policy", "house"))
    assert len(bench.cluster.replicas("ledger")) == 1
    bench.cluster.settle()
    await bench.reconciler.reconcile(LoopKey("policy", "house"))
    assert bench.cluster.replicas("ledger") == {}


def report(bench, role, *, ready=True, reason="", message=""):
    (name,) = bench.cluster.replicas(role)
    return Report(
        name,
        role,
        "s",
        ready=ready,
        reason=reason,
        message=message,
        counters={},
        resident_bytes=1,
        started_ms=1,
        at_ms=1,
    )


async def test_what_a_shared_process_reports_is_the_strategys_condition(bench):
    await bench.turn()
    roles = ("catalog", "ingest", "source", "consumer", "decision", "executor", "ledger")
    bench.feed.live = {r.process: r for role in roles if (r := report(bench, role))}
    await bench.turn()
    assert bench.condition("TradingStrategy", "sunday", "Ready")["status"] == "True"
    for role in ("source", "catalog"):
        bad = report(bench, role, ready=False, reason="EventNotFound", message="no such event")
        bench.feed.live[bad.process] = bad
        await bench.turn()
        ready = bench.condition("TradingStrategy", "sunday", "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "ProcessNotReady")
        assert ready["message"] == f"{bad.process}: EventNotFound: no such event"


async def test_a_strategy_is_not_ready_while_its_ledger_grants_no_trading_lease(bench):
    await bench.turn()
    roles = ("catalog", "ingest", "source", "consumer", "decision", "executor")
    bench.feed.live = {r.process: r for role in roles if (r := report(bench, role))}
    await bench.turn()
    assert bench.condition("TradingStrategy", "sunday", "Ready")["status"] == "False"
    why = report(bench, "ledger", ready=False, reason="NoTradingLease", message="books are not reconciled yet")
    bench.feed.live[why.process] = why
    await bench.turn()
    told = bench.condition("TradingStrategy", "sunday", "Ready")
    assert (told["status"], told["message"]) == ("False", f"{why.process}: {why.reason}: {why.message}")
    bench.feed.live[why.process] = report(bench, "ledger")
    await bench.turn()
    assert bench.condition("TradingStrategy", "sunday", "Ready")["status"] == "True"


async def test_status_rests_when_nothing_changes_and_times_move_only_on_a_flip(bench):
    await bench.turn()
    await bench.turn()
    before = bench.condition("TradingStrategy", "sunday", "Halted")
    writes = [call for call in bench.cluster.calls if call[0] == "status"]
    bench.clock.now_ms += 60_000
    await bench.turn()
    assert [call for call in bench.cluster.calls if call[0] == "status"] == writes
    bench.cluster.put(strategy(suspend=True))
    await bench.turn()
    after = bench.condition("TradingStrategy", "sunday", "Halted")
    assert after["lastTransitionTime"] == before["lastTransitionTime"]
    assert after["observedGeneration"] == 2
    ready = bench.condition("TradingStrategy", "sunday", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Suspended")


async def test_a_failure_at_any_call_leaves_nothing_that_the_next_turn_does_not_mend():
    reference = Bench()
    reference.cluster.put(policy())
    reference.cluster.put(strategy())
    reference.feed.set("house", halted("confirmed"))
    await reference.turn()
    total = len(reference.cluster.calls)
    for step in range(1, total + 1):
        bench = Bench()
        bench.cluster.put(policy())
        bench.cluster.put(strategy())
        await bench.turn()
        bench.feed.set("house", halted("confirmed"))
        bench.cluster.calls.clear()
        bench.cluster.fail_at = step
        with pytest.raises(ConnectionError):
            await bench.turn()
        bench.cluster.fail_at = None
        await bench.turn()
        assert bench.executors() == [0], step
        wanted = {key: made["spec"] for key, made in reference.cluster.objects.items() if "spec" in made}
        assert {key: made["spec"] for key, made in bench.cluster.objects.items() if "spec" in made} == wanted


async def test_the_manager_follows_changes_and_survives_errors(bench):
    complaints = []
    manager = Manager(
        bench.reconciler, bench.clock, lambda what, error: complaints.append((what, str(error))), resync_s=0.05
    )
    task = asyncio.create_task(manager.run())

    async def until(check):
        async with asyncio.timeout(10):
            while not check():
                await asyncio.sleep(0.01)

    await until(lambda: bench.executors() == [1])
    bench.cluster.fail_at = len(bench.cluster.calls) + 3
    bench.feed.set("house", halted("confirmed"))
    await until(lambda: bench.executors() == [0])
    await until(lambda: complaints)
    bench.cluster.remove("TradingStrategy", "sunday")
    bench.cluster.remove("RiskPolicy", "house")
    await until(lambda: not bench.cluster.objects)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_back_off_doubles_up_to_a_limit_and_is_spread():
    assert backoff(1, 0.0) < backoff(1, 1.0) < backoff(3, 0.5) < backoff(9, 1.0) == backoff(50, 1.0)


async def test_what_only_a_process_can_refuse_stops_the_executor_until_the_process_takes_it(bench):
    await bench.turn()
    said = Fault("UnknownPlugin", "no plug-in 'odds'; known: kalshi-live-data", spec=True)
    refusing = report(bench, "source", ready=False, reason=said.reason, message=said.message)
    source = refusing.process
    bench.feed.live = {source: msgspec.structs.replace(refusing, faults=(said,))}
    assert await bench.reconciler.hear() == {source}
    await bench.turn()
    assert bench.executors() == [0]
    found = bench.condition("TradingStrategy", "sunday", "Ready")
    assert (found["status"], found["reason"]) == ("False", "UnknownPlugin")
    assert found["message"] == f"spec.sources[game]: {said.message}"
    assert list(bench.cluster.replicas("source").values()) == [1]

    bench.feed.live = {}  # it restarts: silent for a moment
    await bench.turn()
    assert bench.executors() == [0]

    bench.feed.live = {source: report(bench, "source")}
    assert await bench.reconciler.hear() == {source}
    assert await bench.reconciler.hear() == set()
    await bench.turn()
    assert bench.executors() == [1]


async def test_a_fault_that_is_told_in_the_middle_of_a_pass_is_not_named_without_its_field(bench, monkeypatch):
    await bench.turn()
    roles = ("catalog", "ingest", "source", "consumer", "decision", "executor", "ledger")
    bench.feed.live = {r.process: r for role in roles if (r := report(bench, role))}
    await bench.turn()
    fault = Fault("UnknownPlugin", "no plug-in", spec=True)
    bad = report(bench, "source", ready=False, reason=fault.reason, message=fault.message)
    apply = bench.cluster.apply

    async def told_meanwhile(made):
        bench.feed.live[bad.process] = msgspec.structs.replace(bad, faults=(fault,))
        await apply(made)

    monkeypatch.setattr(bench.cluster, "apply", told_meanwhile)
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    found = bench.condition("TradingStrategy", "sunday", "Ready")
    assert (found["status"], found["reason"]) == ("False", "ProcessNotReady")
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    found = bench.condition("TradingStrategy", "sunday", "Ready")
    assert (found["reason"], found["message"]) == ("UnknownPlugin", "spec.sources[game]: no plug-in")


async def test_a_fault_of_a_process_that_never_comes_back_is_forgotten(bench):
    await bench.turn()
    (source,) = bench.cluster.replicas("source")
    fault = Fault("UnknownPlugin", "no plug-in", spec=True)
    bench.feed.live = {source: msgspec.structs.replace(report(bench, "source", ready=False), faults=(fault,))}
    await bench.turn()
    bench.feed.live = {}
    bench.clock.now_ms += FAULT_KEPT_MS + 1
    await bench.turn()
    assert bench.executors() == [1]


async def test_what_a_pod_waits_for_is_the_reason(bench):
    await bench.turn()
    bench.cluster.auto_settle = False
    (name,) = bench.cluster.replicas("ledger")
    bench.cluster.objects["Deployment", name]["status"] |= {"waiting": "ImagePullBackOff", "message": "image x"}
    await bench.turn()
    found = bench.condition("RiskPolicy", "house", "Ready")
    assert (found["reason"], found["message"]) == ("ImagePullBackOff", f"{name}: image x")


SERIES_KEY = ("simulator", "KXNFLGAME")


def listed(bench, **states):
    start = bench.clock.now_ms + 60_000
    found = tuple(SlateEvent(f"KXNFLGAME-{name}", f"game-{name}", start, state) for name, state in states.items())
    bench.feed.by_series[SERIES_KEY] = Slate("simulator", "KXNFLGAME", found, bench.clock.now_ms)
    bench.clock.now_ms += SLATES_GOOD_MS


def following(bench, most=1):
    wish = {"name": "nfl", "series": "KXNFLGAME", "startsWithinHours": 12, "maxEvents": most}
    bench.cluster.put(strategy(markets=[wish]))


def shown(bench):
    return {m["event"]: m["state"] for m in bench.cluster.written["TradingStrategy", "sunday"]["status"]["markets"]}


def sets(bench):
    """Events with an ingest, a consumer and a decision."""
    return [
        sorted(
            made["metadata"]["annotations"]["touchline.dev/event"]
            for made in bench.cluster.objects.values()
            if made["kind"] == "Deployment" and made["metadata"]["labels"]["app.kubernetes.io/component"] == role
        )
        for role in ("ingest", "consumer", "decision")
    ]


async def prune(bench):
    await bench.turn()
    for event in ("KXNFLGAME-A", "KXNFLGAME-B"):
        await bench.reconciler.reconcile(LoopKey("event", "simulator", event))


async def test_a_series_brings_a_games_whole_set_and_takes_it_away_once_settled(bench):
    following(bench)
    await bench.turn()
    assert sets(bench) == [[], [], []]
    assert list(bench.cluster.replicas("catalog").values()) == [1]
    assert bench.cluster.replicas("source") == {}
    listed(bench, A="open", B="open")
    await bench.turn()
    assert sets(bench) == [["KXNFLGAME-A"]] * 3
    assert shown(bench) == {"KXNFLGAME-A": "Trading"}
    listed(bench, A="over", B="open")
    await prune(bench)
    assert sets(bench) == [["KXNFLGAME-B"]] * 3
    assert shown(bench) == {"KXNFLGAME-B": "Trading"}


async def test_a_settled_event_with_a_position_drains_until_it_is_booked(bench):
    following(bench)
    listed(bench, A="open")
    await bench.turn()
    held = PositionRecord("KXNFLGAME-A-X", "game-A", "sunday", 100, 1, 0, 0, 1, 1)
    bench.feed.set("house", PolicyFacts(epoch=1, positions=(held,)))
    listed(bench, A="over")
    await prune(bench)
    assert sets(bench) == [["KXNFLGAME-A"], ["KXNFLGAME-A"], []]
    assert shown(bench) == {"KXNFLGAME-A": "Draining"}
    assert bench.executors() == [1]
    bench.feed.set("house", PolicyFacts(epoch=1))
    await prune(bench)
    assert sets(bench) == [[], [], []]


async def test_a_silent_catalog_leaves_what_is_there_also_over_a_restart_of_the_operator(bench):
    following(bench, most=2)
    listed(bench, A="open")
    await bench.turn()
    del bench.feed.by_series[SERIES_KEY]
    bench.reconciler = Reconciler(bench.cluster, bench.feed, bench.clock, PLATFORM)
    await prune(bench)
    assert sets(bench) == [["KXNFLGAME-A"]] * 3
    assert shown(bench) == {"KXNFLGAME-A": "Trading"}


async def test_a_younger_strategy_that_names_a_followed_event_is_told_that_it_is_taken(bench):
    following(bench)
    listed(bench, A="open")
    await bench.turn()
    bench.cluster.put(strategy("late", event="KXNFLGAME-A"))
    await bench.turn()
    assert bench.condition("TradingStrategy", "late", "Ready")["reason"] == "EventTaken"
    assert bench.condition("TradingStrategy", "sunday", "Ready")["reason"] != "EventTaken"


async def test_what_only_describes_waits_and_what_decides_does_not(bench):
    bench.reconciler.settle_ms = 2_000
    key = LoopKey("strategy", "sunday")
    await bench.turn()
    bench.clock.now_ms += 500
    starting = report(bench, "catalog", ready=False, reason="Starting", message="not yet connected")
    bench.feed.live = {starting.process: starting}
    before = bench.condition("TradingStrategy", "sunday", "Ready")["message"]
    await bench.reconciler.reconcile(key)
    assert bench.condition("TradingStrategy", "sunday", "Ready")["message"] == before
    assert bench.reconciler.due_s(key) == 1.5
    assert bench.reconciler.due_s(key) is None
    bench.cluster.put(strategy(suspend=True))
    await bench.reconciler.reconcile(key)
    assert bench.condition("TradingStrategy", "sunday", "Ready")["reason"] == "Suspended"
    assert bench.reconciler.due_s(key) is None


async def test_strategies_of_one_moment_share_a_reading_until_the_record_speaks(bench):
    bench.reconciler.others_ms = bench.reconciler._gatherer.others_ms = 2_000
    await bench.turn()
    bench.clock.now_ms += 10_000
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    bench.feed.by_policy["house"] = halted("confirmed")
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    assert bench.executors() == [1]
    bench.reconciler.expire("house")
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    assert bench.executors() == [0]


async def test_a_deleted_strategy_is_let_go_only_by_what_the_record_says_now(bench):
    bench.reconciler.others_ms = bench.reconciler._gatherer.others_ms = 2_000
    await bench.turn()
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    bench.feed.by_policy["house"] = PolicyFacts(open_orders={"sunday": 1})  # claimed after this moment's reading
    bench.cluster.delete_resource("TradingStrategy", "sunday")
    for _ in range(3):
        await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    assert ("TradingStrategy", "sunday") in bench.cluster.written
    bench.clock.now_ms += 10_000
    bench.feed.by_policy["house"] = PolicyFacts()
    await bench.reconciler.reconcile(LoopKey("strategy", "sunday"))
    assert ("TradingStrategy", "sunday") not in bench.cluster.written


async def test_a_written_status_is_no_other_world(bench):
    before = await bench.reconciler.world()
    await bench.turn()
    assert bench.cluster.written["TradingStrategy", "sunday"]["status"]
    assert (await bench.reconciler.world()).strategies is before.strategies
    bench.cluster.put(strategy(suspend=True))
    assert (await bench.reconciler.world()).strategies is not before.strategies
