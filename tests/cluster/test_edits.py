"""People edit what trades, and others scale what is not theirs to scale."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import accepted
from tests.cluster.release import Release, now_ms, until
from tests.cluster.trading import RECOVERED_S, strategies
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(300)]
KEPT, REMOVED = "KXNFLGAME-25SEP07BALBUF", "KXNFLGAME-25SEP04DALPHI"


def uids(at: Release, *roles: str) -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for role in roles for pod in at.pods(role)}


def config(at: Release, role: str, strategy: str) -> Any:
    name = at.deployment(role, strategy)["metadata"]["name"]
    made = at.kube.get("ConfigMap", name)
    assert made is not None
    return json.loads(made["data"]["config.json"])


def test_an_edit_of_one_strategy_reaches_its_processes_and_no_others(trading: Release) -> None:
    at = trading
    shared = uids(at, "catalog", "ingest", "consumer", "source", "ledger")
    others = {pod["metadata"]["uid"] for pod in at.pods() if pod["metadata"]["labels"].get(names.STRATEGY) == "resting"}
    at.patch("TradingStrategy", "taking", {"entry": {"minEdge": "0.0075"}})
    until(lambda: config(at, "decision", "taking")["entry"]["minEdge"] == 75, 10, "the new edge is not rendered")
    until(lambda: not at.unready(), RECOVERED_S, "not ready after the edit")
    edited = now_ms()
    until(lambda: accepted(at.log(), edited), RECOVERED_S, "no order after the edit")
    assert uids(at, "catalog", "ingest", "consumer", "source", "ledger") == shared
    assert others <= {pod["metadata"]["uid"] for pod in at.pods()}


def test_a_removed_market_drains_until_its_position_is_gone(trading: Release) -> None:
    at = trading
    (taking, other) = strategies()
    at.kubectl("delete", "tstrat", "resting", "--timeout=60s")
    taking["spec"]["markets"] += other["spec"]["markets"]
    at.apply(taking)
    until(lambda: not at.unready() and states(at) == {KEPT: "Trading", REMOVED: "Trading"}, RECOVERED_S, "not ready")
    until(lambda: any(market.startswith(REMOVED) for market in held(at)), RECOVERED_S, "no position to drain")
    taking["spec"]["markets"] = other["spec"]["markets"]
    at.apply(taking)
    until(lambda: states(at) == {KEPT: "Trading", REMOVED: "Draining"}, 20, "not draining")
    until(lambda: not at.unready(), RECOVERED_S, "not ready after the edit")
    began = now_ms()
    until(lambda: accepted(at.log(), began), RECOVERED_S, "no order in the market that stayed")
    # Its data still comes, so that what is held can be marked and left; nothing of it is decided any more.
    assert event_of(at, "ingest") == {KEPT, REMOVED}
    assert event_of(at, "decision") == {KEPT}
    assert [
        line for line in accepted(at.log(), began) if line["ticker"].startswith(REMOVED) and not line["reduce_only"]
    ] == []


def states(at: Release) -> dict[str, str]:
    found = at.kube.get("TradingStrategy", "taking")
    assert found is not None
    return {market["event"]: market["state"] for market in found["status"].get("markets", ())}


def held(at: Release) -> list[str]:
    """Markets in which the account holds contracts."""
    rows: dict[str, str] = at.record("hgetall", at.topics().positions())
    return [market for market, row in rows.items() if json.loads(row)["count"]]


def event_of(at: Release, role: str) -> set[str]:
    return {made["metadata"]["annotations"][names.EVENT] for made in at.kube.children(role)}


def test_scale_to_zero_stops_and_scale_to_one_goes_on(trading: Release) -> None:
    at = trading
    at.scale("tradingstrategy/taking", 0)
    until(lambda: not mine(at), 30, "the executor of the scaled strategy stays")
    until(lambda: ready(at, "taking").get("reason") == "ScaledToZero", 20, "no condition says so")
    assert ready(at, "resting").get("status") == "True"
    at.scale("tradingstrategy/taking", 1)
    until(lambda: ready(at, "taking").get("status") == "True", 60, "not ready")
    assert len(mine(at)) == 1


def ready(at: Release, strategy: str) -> dict[str, Any]:
    return at.condition("TradingStrategy", strategy, "Ready")


def mine(at: Release) -> list[str]:
    """Executor pods of the strategy `taking`."""
    pods = at.pods("executor")
    return [pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"].get(names.STRATEGY) == "taking"]


@pytest.mark.parametrize(("role", "by_hand"), [("executor", 0), ("executor", 3), ("ledger", 0)])
def test_what_is_scaled_by_hand_against_the_operator_is_undone(
    trading: Release, figure: Figure, role: str, by_hand: int
) -> None:
    at = trading
    name = at.deployment(role, "taking" if role == "executor" else "")["metadata"]["name"]
    began = now_ms()
    at.scale(f"deployment/{name}", by_hand)

    def undone() -> bool:
        made = at.kube.get("Deployment", name)
        assert made is not None
        return made["spec"]["replicas"] == 1

    until(undone, 15, "the operator lets it be")
    figure(f"{role} scaled to {by_hand} by hand -> undone", (now_ms() - began) / 1000, 5)
