import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.book import SEQ_OK, SEQ_REPEAT, OrderBook, SequenceGap, SequenceTracker

prices = st.integers(1, 9_999)
near = st.sampled_from([1, 2, 4_000, 4_100, 5_900, 6_000, 9_998, 9_999])
sides = st.sampled_from(["yes", "no"])
ladders = st.dictionaries(near | prices, st.integers(0, 5_000), max_size=8)
deltas = st.lists(st.tuples(sides, near, st.integers(-300, 300)), max_size=60)


def book_of(yes=(), no=()):
    book = OrderBook("T")
    book.apply_snapshot(yes, no)
    return book


class Naive:
    """The book's rules once more, slowly: every answer is computed from the two ladders."""

    def __init__(self, yes, no):
        self.ladders = {"yes": {p: c for p, c in yes.items() if c}, "no": {p: c for p, c in no.items() if c}}
        self.gap = False

    def delta(self, side, price, delta):
        if self.gap:
            return
        ladder = self.ladders[side]
        ladder[price] = ladder.get(price, 0) + delta
        if ladder[price] < 0:
            self.gap = True
            self.ladders = {"yes": {}, "no": {}}
        elif ladder[price] == 0:
            del ladder[price]

    def status(self):
        if self.gap:
            return "gap"
        yes, no = self.ladders["yes"], self.ladders["no"]
        return "crossed" if yes and no and max(yes) >= 10_000 - max(no) else "valid"


@given(ladders, ladders, deltas)
def test_the_book_agrees_with_a_slow_one_after_every_delta(yes, no, changes):
    book, naive = book_of(yes.items(), no.items()), Naive(yes, no)
    for change in [None, *changes]:
        if change:
            book.apply_delta(*change)
            naive.delta(*change)
        assert book.status == naive.status()
        assert (book.reason == "") == (book.status == "valid")
        for side, best, size in (("yes", book.yes_bid, book.yes_bid_size), ("no", book.no_bid, book.no_bid_size)):
            ladder = naive.ladders[side]
            assert best == max(ladder, default=None)
            assert size == ladder.get(best, 0)
            assert book.levels(side) == tuple(sorted(ladder.items(), reverse=True))
            assert book.depth(side, 2) == sum(c for _, c in sorted(ladder.items(), reverse=True)[:2])
        assert book.yes_ask == (None if book.no_bid is None else 10_000 - book.no_bid)
        assert book.no_ask == (None if book.yes_bid is None else 10_000 - book.yes_bid)


@given(prices, prices, st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_microprice_lies_between_the_best_prices_and_leans_away_from_the_heavier_side(
    bid, other, bid_size, ask_size
):
    book = book_of([(bid, bid_size)], [(other, ask_size)])
    micro = book.microprice()
    low, high = sorted((bid * 100, (10_000 - other) * 100))
    assert low <= micro <= high
    if bid < 10_000 - other:
        middle = (bid * 100 + (10_000 - other) * 100) // 2
        assert micro >= middle if bid_size >= ask_size else micro <= middle


def test_the_microprice_needs_both_sides():
    assert book_of([(4_000, 100)]).microprice() is None
    assert book_of([], [(4_000, 100)]).microprice() is None
    assert book_of([(4_000, 300)], [(5_000, 100)]).microprice() == 475_000


def test_a_new_book_is_empty_and_a_snapshot_without_levels_is_not():
    book = OrderBook("T")
    assert (book.status, book.reason) == ("empty", "no snapshot yet")
    book.apply_snapshot([], [])
    assert (book.status, book.reason, book.yes_bid, book.yes_ask) == ("valid", "", None, None)
    book.apply_delta("yes", 4_000, 100)
    assert book.yes_bid == 4_000


def test_a_delta_before_any_snapshot_is_a_gap_and_the_first_reason_stays():
    book = OrderBook("T")
    book.apply_delta("yes", 4_000, 100)
    book.apply_delta("no", 1, 7)
    assert (book.status, book.reason) == ("gap", "yes delta 100 at 4000 before any snapshot")
    assert book.yes_bid is None


def test_a_gap_forgets_the_levels_ignores_deltas_and_ends_with_a_snapshot():
    book = book_of([(4_000, 100)], [(5_000, 100)])
    book.mark_gap("sequence 7 instead of 5")
    book.apply_delta("yes", 4_000, 100)
    book.mark_fresh()
    assert (book.status, book.reason) == ("gap", "sequence 7 instead of 5")
    assert (book.yes_bid, book.yes_ask, book.levels("yes"), book.microprice()) == (None, None, (), None)
    book.apply_snapshot([(4_100, 5)], [])
    assert (book.status, book.yes_bid, book.yes_bid_size) == ("valid", 4_100, 5)


def test_a_level_below_zero_is_a_gap():
    book = book_of([(4_000, 100)])
    book.apply_delta("yes", 4_000, -101)
    assert (book.status, book.reason) == ("gap", "yes level at 4000 would hold -1")


@pytest.mark.parametrize("price", [0, -1, 10_000])
def test_an_impossible_price_is_a_gap(price):
    book = book_of()
    book.apply_delta("no", price, 5)
    assert book.status == "gap"


@pytest.mark.parametrize("levels", [[(0, 1)], [(10_000, 1)], [(5, -1)], [(5, 1), (5, 2)]])
def test_an_impossible_snapshot_is_a_gap(levels):
    book = book_of([(4_000, 100)])
    book.apply_snapshot([], levels)
    assert book.status == "gap"
    assert book.yes_bid is None


def test_a_silent_feed_makes_the_book_stale_until_it_is_heard_again():
    book = book_of([(4_000, 100)])
    book.mark_stale("nothing heard for 10 s")
    book.apply_delta("yes", 4_100, 100)
    assert (book.status, book.reason, book.yes_bid) == ("stale", "nothing heard for 10 s", 4_100)
    book.mark_fresh()
    assert book.status == "valid"


@pytest.mark.parametrize("yes_bid", [6_000, 6_100])
def test_a_locked_or_crossed_book_says_so_until_it_uncrosses(yes_bid):
    book = book_of([(5_900, 10)], [(4_000, 10)])
    book.apply_delta("yes", yes_bid, 10)
    assert (book.status, book.reason) == ("crossed", f"yes bid {yes_bid} is not below yes ask 6000")
    book.apply_delta("yes", yes_bid, -10)
    assert (book.status, book.yes_bid) == ("valid", 5_900)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(-1, 2)), max_size=60))
def test_the_tracker_reports_exactly_the_jumps_of_each_subscription(steps):
    tracker = SequenceTracker()
    last = {}
    for sid, step in steps:
        before = last.get(sid, 0)
        seq = before + step
        if seq < 1:
            continue
        seen = tracker.observe("s", sid, seq)
        if step == 1:
            assert seen == SEQ_OK
        elif step == 0:
            assert seen == SEQ_REPEAT
        else:
            assert seen == SequenceGap("s", sid, before + 1, seq)
        last[sid] = seq


def test_a_first_frame_that_is_not_the_first_is_a_gap():
    assert SequenceTracker().observe("s", 1, 2) == SequenceGap("s", 1, 1, 2)


def test_a_new_session_and_a_forgotten_subscription_start_at_one():
    tracker = SequenceTracker()
    assert [tracker.observe("s", 1, n) for n in (1, 2)] == [SEQ_OK, SEQ_OK]
    assert tracker.observe("t", 1, 1) == SEQ_OK
    assert tracker.observe("t", 2, 1) == SEQ_OK
    tracker.forget(1)
    assert tracker.observe("t", 1, 1) == SEQ_OK
    assert tracker.observe("t", 2, 2) == SEQ_OK
