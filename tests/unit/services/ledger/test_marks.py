from __future__ import annotations

import msgspec
import pytest

from services.ledger.books import Holding
from services.ledger.marks import Mark, bid_for, first_mark, value
from trading_logic.contracts.messages import TopOfBook

TOP = TopOfBook(
    market="A", status="valid", yes_bid=4_000, yes_bid_size=100, yes_ask=4_300, yes_ask_size=100, session="s", sid=1,
    seq=1, received_ms=0, alive_ms=100_000,
)  # fmt: skip
NOW = 101_000


def valued(holding: Holding, top: TopOfBook | None, last: Mark | None = None, status: str = "active"):
    return value(
        {"A": holding}, {"A": top} if top else {}, {"A": last} if last else {}, {"A": status}, NOW,
        stale_after_ms=10_000,
    )  # fmt: skip


def test_a_position_is_worth_what_its_bids_pay() -> None:
    assert valued(Holding(300, 1), TOP).worth == 4_000 * 300
    assert valued(Holding(-300, 1), TOP).worth == (10_000 - 4_300) * 300
    assert valued(Holding(300, 1), TOP).blind == ()


@pytest.mark.parametrize(
    "top",
    [
        None,
        msgspec.structs.replace(TOP, status="gap"),
        msgspec.structs.replace(TOP, status="stale"),
        msgspec.structs.replace(TOP, yes_bid_size=0),
        msgspec.structs.replace(TOP, alive_ms=NOW - 10_000),
    ],
)
def test_otherwise_the_last_good_mark_stands_and_the_market_is_named(top: TopOfBook | None) -> None:
    seen = valued(Holding(300, 1), top, Mark(3_900, 5))
    assert (seen.worth, seen.blind, seen.marks) == (3_900 * 300, ("A",), {"A": Mark(3_900, 5)})


@pytest.mark.parametrize("status", ["closed", "determined"])
def test_a_closed_market_keeps_its_mark_and_stops_nobody(status: str) -> None:
    seen = valued(Holding(300, 1), msgspec.structs.replace(TOP, status="empty"), Mark(3_900, 5), status)
    assert (seen.worth, seen.blind) == (3_900 * 300, ())


def test_the_other_side_empty_does_not_matter() -> None:
    assert bid_for(100, msgspec.structs.replace(TOP, yes_ask_size=0)) == 4_000
    assert bid_for(-100, msgspec.structs.replace(TOP, yes_bid_size=0)) == 5_700
    assert bid_for(-100, msgspec.structs.replace(TOP, yes_ask_size=0)) is None


def test_before_any_book_a_position_is_worth_its_cost() -> None:
    assert first_mark(Holding(-200, 900_000)) == Mark(4_500, 0)
