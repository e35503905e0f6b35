"""`helm upgrade` while it trades."""

from __future__ import annotations

import pytest

from tests.cluster.judge import accepted, twice
from tests.cluster.release import Release, now_ms, until
from tests.cluster.trading import RECOVERED_S
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(300)]


def uids(at: Release, component: str) -> set[str]:
    return {pod["metadata"]["uid"] for pod in at.pods(selector=f"{names.COMPONENT}={component}")}


def test_an_upgrade_rolls_the_operator_and_nothing_that_trades(trading: Release) -> None:
    at = trading
    kept = ("simulator", "record", "bus", "executor", "ledger", "ingest", "consumer", "decision", "catalog", "source")
    before = {component: uids(at, component) for component in kept}
    operator = uids(at, "operator")
    first = at.log()[0]
    at.keep_log()
    began = now_ms()
    at.helm("upgrade", **{"operator.podAnnotations.rolled": f"at-{began}"})
    until(lambda: uids(at, "operator").isdisjoint(operator), 60, "the old operator stays")
    upgraded = now_ms()
    until(lambda: accepted(at.log(), upgraded), RECOVERED_S, "no order after the upgrade")
    assert {component: uids(at, component) for component in kept} == before
    assert at.log()[0] == first, "the simulator began a new world"
    assert twice(at.log()) == []
    assert at.policy()["status"].get("halt") is None
