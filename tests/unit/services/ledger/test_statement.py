from __future__ import annotations

import pytest

from services.ledger.books import Books, Holding
from services.ledger.marks import Mark, Valuation
from services.ledger.reconcile import Gap, Verdict
from services.ledger.statement import Kept, Reading, StatementError, exposure_change, parse, risk_fields
from trading_logic.contracts.record import PositionRecord
from trading_logic.risk.drawdown import EquityTrack

BOOKS = Books(cash=90, realized=3, fees=2, holdings={"M": Holding(100, 12)})
WORTH = Valuation({"M": Mark(1, 5)}, 10, ("M",))
KEPT = Kept(EquityTrack(equity=100, peak=125, day="2026-09-17", day_start=110), 7, 99, "drawdown-1")
POSITIONS = {"M": PositionRecord("M", "g", "s", count=100, cost=12, realized=0, fees=0, mark=100, marked_ms=5)}


def test_what_is_written_is_read_back() -> None:
    fields = risk_fields(BOOKS, WORTH, 12, KEPT, Reading(complete=True))
    assert parse(fields, POSITIONS) == (BOOKS, KEPT)
    assert (fields["drawdown_ppm"], fields["unrealized"], fields["marks"]) == ("200000", "-2", "M")


def test_nothing_is_reconciled_before_the_first_reading() -> None:
    fields = risk_fields(BOOKS, WORTH, 12, KEPT, Reading())
    assert fields["reconciled"] == "0"
    assert fields["reconcile_note"] == "no complete reading of the exchange yet"


def test_a_held_gap_blocks_entries_and_a_fatal_one_everything() -> None:
    gap = (Gap("X", 1, 2),)
    held = risk_fields(BOOKS, WORTH, 12, KEPT, Reading(Verdict(gap, gap, ()), complete=True))
    assert (held["reconciled"], held["marks"]) == ("1", "M,X")
    assert risk_fields(BOOKS, WORTH, 12, KEPT, Reading(Verdict(gap, gap, gap), complete=True))["reconciled"] == "0"


@pytest.mark.parametrize("name", ["cash", "realized", "fees", "equity", "peak", "day", "day_start", "seq", "resumed"])
def test_a_missing_field_is_named(name: str) -> None:
    fields = risk_fields(BOOKS, WORTH, 12, KEPT, Reading())
    del fields[name]
    with pytest.raises(StatementError, match=rf"risk\.{name} is missing"):
        parse(fields, POSITIONS)


def test_a_malformed_field_is_named() -> None:
    fields = risk_fields(BOOKS, WORTH, 12, KEPT, Reading()) | {"peak": "1.5"}
    with pytest.raises(StatementError, match=r"risk\.peak: '1\.5'"):
        parse(fields, POSITIONS)


def test_only_what_differs_is_written() -> None:
    assert exposure_change({"m:A": "1", "m:B": "2"}, {"m:A": "1", "m:C": "3"}) == {"m:B": "2", "m:C": "0"}
