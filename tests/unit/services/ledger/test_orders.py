from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.orders import OrderRow, RowError, row_of, with_evidence, with_fill, with_record

HASH = {
    "state": "claimed", "strategy": "sunday", "market": "M", "game": "g", "kind": "entry", "day": "2026-09-17",
    "order_id": "", "client_order_id": "c", "cost": "1001", "count": "300", "booked": "0", "claimed_ms": "5",
}  # fmt: skip


def row(**changed: str) -> OrderRow:
    return row_of("i", {**HASH, **changed})


def test_a_claim_keeps_its_whole_reservation() -> None:
    assert row().change() == {
        "intent": "i", "booked": 0, "close": False, "unfilled": False, "reserved": "M|g|1001",
    }  # fmt: skip


def test_a_reservation_shrinks_with_the_fills_and_is_rounded_up() -> None:
    assert with_fill(row(), 100).reserved == 668  # 1001 * 200 / 300 = 667.33


@given(st.lists(st.integers(1, 60), max_size=8), st.integers(0, 10**6))
def test_a_reservation_is_never_negative_never_grows_and_ends_at_zero(counts: list[int], cost: int) -> None:
    held = row(cost=str(cost), count=str(max(sum(counts), 1)))
    before = held.reserved
    for count in counts:
        held = with_fill(held, count)
        assert 0 <= held.reserved <= before
        before = held.reserved
    held = with_evidence(held, ended=True, filled=sum(counts), order_id="o")
    assert held.reserved == 0


@pytest.mark.parametrize("state", ["claimed", "unknown", "resting", "executed", "canceled"])
def test_only_the_exchange_frees_what_may_be_at_the_exchange(state: str) -> None:
    assert row(state=state, order_id="o").reserved == 1001


def test_the_end_comes_with_the_last_booking_not_before() -> None:
    ended = with_evidence(row(state="canceled"), ended=True, filled=100, order_id="o")
    assert not ended.over
    assert ended.reserved == 1001
    booked = with_fill(ended, 100)
    assert booked.change() == {
        "intent": "i", "booked": 100, "close": True, "unfilled": False, "reserved": False,
    }  # fmt: skip


def test_an_executor_that_has_not_spoken_finds_its_order_still_open() -> None:
    ended = with_evidence(row(state="unknown"), ended=True, filled=0, order_id="o")
    assert ended.change()["reserved"] is False
    assert ended.change()["close"] is False
    assert with_record(ended, "canceled", "o").change()["close"] is True


@pytest.mark.parametrize("state", ["refused", "abandoned"])
def test_an_order_that_never_was_is_over_at_once_and_no_trade(state: str) -> None:
    change = row(state=state).change()
    assert (change["reserved"], change["close"], change["unfilled"]) == (False, True, True)


def test_an_abandoned_order_that_fills_after_all_is_not_over() -> None:
    assert not with_fill(row(state="abandoned"), 100).over


def test_a_filled_entry_stays_a_trade() -> None:
    held = with_evidence(with_fill(row(state="canceled"), 1), ended=True, filled=1, order_id="o")
    assert held.change()["unfilled"] is False


def test_exits_reserve_nothing() -> None:
    assert "reserved" not in row(kind="exit").change()
    assert row(kind="exit", state="refused").change()["unfilled"] is False


def test_an_older_message_does_not_undo_an_end() -> None:
    assert with_record(row(state="executed"), "resting", "o").state == "executed"


def test_a_closed_order_only_counts() -> None:
    closed = row_of("i", {**HASH, "state": "canceled"}, closed=True)
    assert with_fill(closed, 100).change() == {"intent": "i", "booked": 100}


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"state": "odd"}, "state 'odd'"), ({"cost": "1.5"}, "cost '1.5'"), ({"count": "0"}, "count 0")],
)
def test_a_malformed_hash_is_named(changed: dict[str, str], named: str) -> None:
    with pytest.raises(RowError, match=named):
        row(**changed)


@pytest.mark.parametrize("name", sorted(HASH))
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(RowError, match=f"field {name} is missing"):
        row_of("i", {key: value for key, value in HASH.items() if key != name})
