"""A halt on a real API server: from the patch to the latch, to zero, and back; with the record or the API away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.contract.operating import Bench, bench, until
from tests.fakes.resources import policy, strategy

pytestmark = [pytest.mark.cluster]
HALTS = 10
AWAY_S = float(os.environ.get("TOUCHLINE_AWAY_SECONDS", "10"))


@pytest.fixture
def at(redis_url: str) -> Iterator[Bench]:
    with bench(redis_url) as made:
        made.kube.apply(policy())
        made.kube.apply(strategy())
        until(lambda: made.kube.replicas("executor") == [1], 30, "no executor")
        until(lambda: made.kube.condition("RiskPolicy", "house", "Halted"), 10, "no status")
        yield made


def halt(at: Bench, *, wanted: bool) -> None:
    at.kube.merge("RiskPolicy", "house", {"spec": {"halt": wanted}})


def seen(at: Bench) -> tuple[str, int]:
    found = at.kube.condition("RiskPolicy", "house", "Halted")
    return found.get("reason", ""), found.get("observedGeneration", 0)


def generation(at: Bench) -> int:
    return at.kube.get("RiskPolicy", "house")["metadata"]["generation"]


def told(at: Bench) -> list[str]:
    """Reasons of the policy's events."""
    return [e["reason"] for e in at.kube.list("Event") if e["regarding"]["kind"] == "RiskPolicy"]


def test_no_patch_is_missed(at: Bench) -> None:
    """How soon it latches is measured by `make bench ARGS="--only operator"`."""
    for _ in range(HALTS):
        halt(at, wanted=True)
        until(at.latched, 20, "a halt was missed")
        halt(at, wanted=False)
        # Unlatched before the operator has seen this, the operator would latch again; the ledger then unlatches again.
        until(lambda: seen(at) == ("Draining", generation(at)), 20, "no status of the halt")
        at.unlatch("manual")
        until(lambda: seen(at) == ("NotHalted", generation(at)), 20, "no status of the resume")


def test_flipping_back_and_forth_ends_where_the_last_patch_says(at: Bench) -> None:
    for _ in range(5):
        halt(at, wanted=True)
        halt(at, wanted=False)
    halt(at, wanted=True)
    until(at.latched, 5, "the last patch was missed")


def test_a_confirmed_halt_scales_to_zero_and_says_so_at_this_generation(at: Bench) -> None:
    at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True, "haltReason": "storm"}})
    until(at.latched, 5, "not latched")
    until(lambda: at.kube.condition("RiskPolicy", "house", "Halted").get("reason") == "Draining", 5, "not draining")
    assert at.kube.replicas("executor") == [1], "an executor must drain before it goes"
    at.confirm_halt()
    until(lambda: at.kube.replicas("executor") == [0], 5, "the executor stays")
    found = until(
        lambda: (c := at.kube.condition("RiskPolicy", "house", "Halted")).get("status") == "True" and c,
        30,  # the cluster's own controllers say when the last pod is gone
        "not Halted",
    )
    assert found["observedGeneration"] == at.kube.get("RiskPolicy", "house")["metadata"]["generation"]
    until(lambda: at.kube.condition("TradingStrategy", "sunday", "Halted").get("status") == "True", 30, "not Halted")
    # The strategy tells of the same halt, sooner or later than its policy.
    until(lambda: {"HaltRequested", "HaltConfirmed"} <= set(told(at)), 10, "no events")
    assert "HaltReleased" not in told(at)
    assert told(at).count("HaltRequested") == told(at).count("HaltConfirmed") == 1, told(at)
    (executor,) = at.kube.children("executor")
    at.kube.merge("Deployment", executor["metadata"]["name"], {"spec": {"replicas": 3}})
    until(lambda: at.kube.replicas("executor") == [0], 5, "scaled up by hand while halted")
    halt_status = at.kube.get("RiskPolicy", "house")["status"]["halt"]
    assert (halt_status["id"], halt_status["reason"]) == ("manual", "storm")
    at.kube.merge("RiskPolicy", "house", {"spec": {"halt": False, "haltReason": ""}})
    # Before it has seen this, the operator would latch again; the ledger would unlatch again, and here is none.
    until(lambda: seen(at)[1] == generation(at), 20, "the operator does not see the resume")
    at.unlatch("manual")
    until(lambda: at.kube.replicas("executor") == [1], 10, "the executor does not come back")
    until(lambda: "HaltReleased" in told(at), 10, "no event of the release")


def test_the_plugins_patch_read_back_and_wait(at: Bench) -> None:
    assert at.plugin("halt", "riskpolicy/house", "--reason", 'say "stop"', "--timeout", "1") == (3, "not confirmed")
    assert at.kube.get("RiskPolicy", "house")["spec"]["haltReason"] == 'say "stop"'
    until(at.latched, 5, "not latched")
    at.confirm_halt()
    assert at.plugin("halt", "rpol/house") == (0, "halted; nothing rests")
    at.redis.hset(
        at.topics().latch(), "drawdown-1", '{"id":"drawdown-1","source":"Drawdown","reason":"","by":"l","time_ms":1}'
    )
    assert at.plugin("resume", "house", "--timeout", "2") == (3, "still halted by drawdown-1")
    at.unlatch("manual")
    at.unlatch("drawdown-1")
    assert at.plugin("resume", "house", "--halt-id", "drawdown-1") == (0, "no cause is left")
    assert at.kube.get("RiskPolicy", "house")["spec"]["resume"] == {"haltID": "drawdown-1", "rebaseline": False}
    assert at.plugin("halt", "riskpolicy/nobody")[0] == 1


def test_a_wiped_record_is_latched_again_from_the_status(at: Bench) -> None:
    at.redis.set(at.topics().incarnation(), "first")
    halt(at, wanted=True)
    until(lambda: (at.kube.get("RiskPolicy", "house")["status"].get("record") or {}).get("epoch") == 1, 10, "no mirror")
    until(
        lambda: at.kube.get("RiskPolicy", "house")["status"].get("record", {}).get("incarnation") == "first",
        20,
        "no mirror",
    )
    halt(at, wanted=False)
    at.redis.flushall()
    at.redis.set(at.topics().incarnation(), "second")
    causes = until(lambda: (seen := at.latched()) and "manual" in seen and seen, 10, "the latch is lost")
    until(lambda: "redis-changed-second" in at.latched(), 5, "nobody says that the record changed")
    assert "manual" in causes
    at.unlatch("manual")
    at.unlatch("redis-changed-second")
    until(
        lambda: at.kube.condition("RiskPolicy", "house", "Halted").get("reason") == "NotHalted",
        10,
        "no status of the resume",
    )
    time.sleep(3)
    assert at.latched() == {}, "latched again although it was resumed"


def test_a_deleted_strategy_waits_for_its_orders(at: Bench) -> None:
    t = at.topics()
    at.redis.hset(t.strategies(), "sunday", "{}")
    at.redis.sadd(t.open_orders(), "intent-1")
    at.redis.hset(t.order("intent-1"), "strategy", "sunday")
    at.kube.delete("TradingStrategy", "sunday")
    until(lambda: at.kube.replicas("executor") == [0], 10, "the executor stays")
    found = until(
        lambda: (
            (c := at.kube.condition("TradingStrategy", "sunday", "Ready")).get("reason") == "Deleted"
            and "1 of its orders" in c["message"]
            and c
        ),
        10,
        "the condition does not say what is waited for",
    )
    assert "touchline.dev/abandon-orders" in found["message"]
    at.redis.srem(t.open_orders(), "intent-1")
    until(lambda: at.kube.get("TradingStrategy", "sunday") is None, 20, "the finalizer stays")


def test_the_escape_annotation_lets_a_deleted_policy_go(at: Bench) -> None:
    t = at.topics()
    at.redis.hset(t.strategies(), "sunday", "{}")
    at.redis.sadd(t.open_orders(), "intent-1")
    at.redis.hset(t.order("intent-1"), "strategy", "sunday")
    at.kube.delete("RiskPolicy", "house")
    until(
        lambda: "orders have not ended" in at.kube.condition("RiskPolicy", "house", "Ready").get("message", ""),
        10,
        "no condition",
    )
    assert at.kube.replicas("ledger") == [1], "the ledger ends what rests: it goes last"
    at.kube.merge("RiskPolicy", "house", {"metadata": {"annotations": {"touchline.dev/abandon-orders": "true"}}})
    until(lambda: at.kube.get("RiskPolicy", "house") is None, 10, "the annotation does nothing")
    until(
        lambda: at.kube.condition("TradingStrategy", "sunday", "Ready").get("reason") == "RiskPolicyNotFound",
        10,
        "unseen",
    )
    until(lambda: at.kube.replicas("executor") == [0], 10, "the executor stays")


@pytest.mark.timeout(120 + AWAY_S)
def test_an_api_server_that_was_away_is_caught_up_with_by_itself(at: Bench) -> None:
    """TOUCHLINE_AWAY_SECONDS=300 for the five minutes that are promised."""
    at.proxy.cut()
    gone = time.monotonic()
    halt(at, wanted=True)
    while time.monotonic() - gone < AWAY_S:
        time.sleep(min(1.0, AWAY_S))
        assert at.healthy(), "liveness must not depend on the API server"
    assert at.asked("/readyz").status_code != 200, "readiness must say that nothing is followed"
    assert at.process is not None
    assert at.process.poll() is None, "the operator ended"
    assert at.latched() == {}
    written = at.metric("touchline_operator_api_writes_total")
    at.proxy.mend()
    began = time.monotonic()
    until(at.latched, 30, "the halt of the time without an API server is not latched")
    print(f"API server back after {AWAY_S:.0f} s -> latch {time.monotonic() - began:.1f} s")
    at.confirm_halt()
    until(lambda: at.kube.replicas("executor") == [0], 10, "no writes after the API server came back")
    until(lambda: at.kube.condition("RiskPolicy", "house", "Halted").get("status") == "True", 30, "not Halted")
    until(lambda: at.asked("/readyz").status_code == 200, 30, "never ready again")
    assert told(at).count("HaltRequested") <= 1, told(at)
    print(f"writes after it was back: {at.metric('touchline_operator_api_writes_total') - written:.0f}")
    assert at.stop() == 0
