from __future__ import annotations

import pytest

from tests.fakes.resources import policy
from touchline_operator.decide.status import Observed, policy_status
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of
from trading_logic.contracts.messages import Report
from trading_logic.contracts.record import Cause

NOTE = "spec.alerts: the receiver answered 500, wanted: 200 to 299"
HALTED = PolicyFacts(causes=(Cause("manual", "Manual", "lunch", "me", 1),), epoch=1)


def report(reason: str, message: str) -> Report:
    return Report(
        process="ledger-house", role="ledger", subject="house", ready=True, reason=reason, message=message, counters={},
        resident_bytes=1, started_ms=1, at_ms=1,
    )  # fmt: skip


def ready(facts: PolicyFacts, told: Report) -> dict[str, str]:
    raw = policy()
    raw["metadata"] |= {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    ledger = {
        "metadata": {"name": "ledger-house", "labels": {"app.kubernetes.io/component": "ledger"}},
        "spec": {"replicas": 1},
        "status": {"replicas": 1},
    }
    found = policy_of(raw)
    world = World((), (found,), {"house": facts})
    observed = Observed([ledger], {"ledger-house": told}, {}, 5)
    status = policy_status(world, found, observed, 0)
    return next(made for made in status["conditions"] if made["type"] == "Ready")


@pytest.mark.parametrize(("facts", "status"), [(PolicyFacts(), "True"), (HALTED, "False")])
def test_a_receiver_of_alerts_that_is_away_is_told_and_makes_nothing_unready(facts, status):
    told = ready(facts, report("AlertNotDelivered", NOTE))
    quiet = ready(facts, report("", ""))
    assert (told["status"], told["reason"]) == (status, quiet["reason"])
    assert told["message"].endswith(f"ledger-house: {NOTE}")
    assert NOTE not in quiet["message"]
