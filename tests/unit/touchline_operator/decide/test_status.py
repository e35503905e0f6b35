from __future__ import annotations

import msgspec
import pytest

from tests.fakes.resources import policy, strategy
from touchline_operator.decide.status import Observed, policy_status
from touchline_operator.desired.processes import ingest_name, source_process
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of
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


def freshness(reports: dict[str, Report]) -> dict[str, str]:
    raw = [strategy(), policy()]
    for one in raw:
        one["metadata"] |= {"generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    of, house = strategy_of(raw[0]), policy_of(raw[1])
    risk = {
        "equity": "1", "cash": "1", "peak": "1", "day_start": "1", "drawdown_ppm": "0", "daily_loss_ppm": "0", "exposure": "0",
        "seq": "1", "started_equity": "1", "updated_ms": "5", "marks": "", "resting": "0", "realized": "0", "unrealized": "0", "fees": "0",
        "reconciled": "1", "reconcile_note": "", "day": "2026-01-01", "unmanaged": "0",
    }  # fmt: skip
    world = World((of,), (house,), {"house": PolicyFacts(epoch=1, risk=risk)})
    status = policy_status(world, house, Observed([], reports, {}, 5), 0)
    return next(made for made in status["conditions"] if made["type"] == "DataFresh")


def test_data_is_fresh_only_while_every_source_and_feed_says_so() -> None:
    of = strategy_of(strategy())
    source = source_process("simulator", of.spec.sources[0])
    ingest = ingest_name("simulator", of.spec.events[0])
    assert freshness({})["status"] == "True"
    well = report("", "")
    ill = msgspec.structs.replace(well, ready=False, reason="Unreachable", message="503")
    found = freshness({source: ill, ingest: well})
    assert (found["status"], found["reason"]) == ("False", "SourceDegraded")
    assert "503" in found["message"]
    found = freshness({source: ill, ingest: ill})
    assert (found["status"], found["reason"]) == ("False", "FeedDown")
    assert freshness({source: well, ingest: well})["status"] == "True"
