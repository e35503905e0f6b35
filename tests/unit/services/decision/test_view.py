from __future__ import annotations

import dataclasses

import msgspec
import pytest

from services.decision.view import MAX_BACKLOG, Raw, ViewError, check, parse
from trading_logic.contracts.record import PositionRecord
from trading_logic.refusal import Refusal

RISK = {
    b"equity": b"1000", b"exposure": b"50", b"reconciled": b"1", b"reconcile_note": b"", b"marks": b"",
    b"updated_ms": b"7",
}  # fmt: skip
POSITION = msgspec.json.encode(PositionRecord("m1", "g", "s", -300, 50, 0, 0, 40, 1))
RAW = Raw(
    causes=[b"z", b"a"],
    risk=RISK,
    exposure={b"m:m1": b"50", b"g:g": b"50"},
    reserved={b"i1": b"m1|g|20", b"i2": b"m2|g|5"},
    positions={b"m1": POSITION},
    orders=[b"m2", None],
    backlog=0,
)


def test_reservations_count_as_held():
    view = parse(RAW, 9)
    assert view.causes == ("a", "z")
    assert (view.held("m1"), view.held("m2"), view.held("m3")) == (70, 5, 0)
    assert (view.by_game, view.total, view.equity) == ({"g": 75}, 75, 1000)
    assert view.positions == {"m1": -300}
    assert view.outstanding == {"m2"}
    assert (view.read_ms, view.updated_ms, view.reconciled) == (9, 7, True)


@pytest.mark.parametrize("field", sorted(RISK))
def test_a_missing_risk_field_is_named(field):
    risk = {key: value for key, value in RISK.items() if key != field}
    with pytest.raises(ViewError, match=f"risk.{field.decode()}: missing"):
        parse(dataclasses.replace(RAW, risk=risk), 9)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"risk": {**RISK, b"equity": b"12.5"}}, "risk.equity"),
        ({"exposure": {b"x:m1": b"1"}}, "exposure.x:m1"),
        ({"exposure": {b"m:m1": b"much"}}, "exposure.m:m1"),
        ({"reserved": {b"i1": b"m1|20"}}, "reserved.i1"),
        ({"reserved": {b"i1": b"m1|g|x"}}, "reserved.i1"),
        ({"positions": {b"m1": b"{}"}}, "positions.m1"),
    ],
)
def test_what_is_malformed_is_named(changes, named):
    with pytest.raises(ViewError, match=named.replace(".", r"\.")):
        parse(dataclasses.replace(RAW, **changes), 9)


def test_a_backlog_of_intents_stops_new_ones_exactly_beyond_the_bound():
    full = dataclasses.replace(parse(RAW, 9), backlog=MAX_BACKLOG)
    assert check(full, 9, 1_000, 1_000) is None
    over = dataclasses.replace(full, backlog=MAX_BACKLOG + 1)
    assert check(over, 9, 1_000, 1_000) == Refusal("executorBacklog", str(MAX_BACKLOG + 1), str(MAX_BACKLOG))
