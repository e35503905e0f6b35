from __future__ import annotations

from services.ledger.books import Books, Holding
from services.ledger.reconcile import Gap, Watch, differences

BOOKS = Books(cash=1_000_000, holdings={"A": Holding(300, 1), "B": Holding(-100, 1)})


def test_equal_books_have_no_difference() -> None:
    assert differences(BOOKS, 1_000_000, {"A": 300, "B": -100, "C": 0}) == ()


def test_what_the_exchange_cannot_show_is_no_difference() -> None:
    assert differences(BOOKS, 1_000_099, {"A": 300, "B": -100}) == ()
    assert differences(BOOKS, 1_000_100, {"A": 300, "B": -100}) == (Gap("cash", 1_000_000, 1_000_100),)


def test_positions_of_either_side_are_compared() -> None:
    assert differences(BOOKS, 1_000_000, {"A": 300, "C": 5}) == (Gap("B", -100, 0), Gap("C", 0, 5))


GAP = (Gap("A", 300, 400),)


def test_a_difference_in_a_quiet_account_stops_entries_after_five_seconds_and_the_account_after_thirty() -> None:
    watch = Watch()
    assert watch.judge(GAP, 0, None).held == ()
    assert watch.judge(GAP, 5_000, None).held == ()
    assert watch.judge(GAP, 5_001, None).held == GAP
    assert watch.judge(GAP, 30_000, None).fatal == ()
    assert watch.judge(GAP, 30_001, None).fatal == GAP


def test_fills_put_off_the_judgement_but_not_for_ever() -> None:
    watch = Watch()
    watch.judge(GAP, 0, 0)
    assert watch.judge(GAP, 6_000, 4_500).held == ()
    assert watch.judge(GAP, 30_001, 30_000).held == GAP
    assert watch.judge(GAP, 30_001, 30_000).fatal == GAP


def test_lag_is_not_a_gap() -> None:
    """The exchange one fill behind, again and again: every reading differs, by another amount."""
    watch = Watch()
    for at in range(0, 60_000, 2_000):
        moving = (Gap("A", 300 + at, 200 + at - at // 1_000),)
        assert watch.judge(moving, at, None).held == ()


def test_both_moving_on_keeps_the_age_of_what_is_missing() -> None:
    watch = Watch()
    watch.judge((Gap("A", 300, 200),), 0, None)
    assert watch.judge((Gap("A", 500, 400),), 6_000, None).held != ()


def test_a_gap_that_closed_begins_anew() -> None:
    watch = Watch()
    watch.judge(GAP, 0, None)
    assert watch.judge((), 4_000, None).clean
    assert watch.judge(GAP, 6_000, None).held == ()


def test_the_note_says_both_numbers() -> None:
    verdict = Watch().judge((Gap("cash", 1_000_000, 2_500_000), *GAP), 0, None)
    assert verdict.note == "cash: ours 1.000000, the exchange's 2.500000; A: ours 3.00, the exchange's 4.00"
