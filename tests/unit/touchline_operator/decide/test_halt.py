from __future__ import annotations

from touchline_operator.decide.halt import MAX_CAUSES, MAX_TEXT, halt_status
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.record import Cause


def test_a_status_stays_within_the_schema_whatever_the_record_says():
    causes = tuple(
        Cause(f"c{n}", "Reconciliation", "x" * (MAX_TEXT + 1), "y" * 2_000, n, "rule", "v" * (MAX_TEXT + 1), "l")
        for n in range(MAX_CAUSES + 1)
    )
    status = halt_status(PolicyFacts(causes=causes, epoch=2))
    assert status is not None
    assert status["id"] == "c0"
    assert len(status["causes"]) == MAX_CAUSES
    assert {len(cause["reason"]) for cause in status["causes"]} == {MAX_TEXT}
    assert {len(cause["value"]) for cause in status["causes"]} == {MAX_TEXT}
    assert {len(cause["by"]) for cause in status["causes"]} == {512}
    assert len(status["reason"]) == MAX_TEXT


def test_the_first_cause_in_time_names_the_halt():
    causes = (Cause("b", "Drawdown", "second", "ledger", 20), Cause("a", "Manual", "first", "me", 10))
    status = halt_status(PolicyFacts(causes=causes, epoch=2))
    assert status is not None
    assert (status["id"], status["source"], status["reason"], status["by"]) == ("a", "Manual", "first", "me")
    assert [cause["id"] for cause in status["causes"]] == ["a", "b"]


def test_an_empty_latch_has_no_status():
    assert halt_status(PolicyFacts()) is None
