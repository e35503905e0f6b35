from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.books import NOTHING, Books, apply_fill, apply_settlement, apply_transfer, payout
from trading_logic.contracts.messages import FillReport

MARKETS = ("A", "B", "C")


@st.composite
def fills(draw: st.DrawFn) -> FillReport:
    return FillReport(
        fill_id=draw(st.uuids()).hex,
        order_id="o",
        market=draw(st.sampled_from(MARKETS)),
        side=draw(st.sampled_from(["yes", "no"])),
        yes_price=draw(st.integers(1, 9_999)),
        count=draw(st.integers(1, 100_000)),
        is_taker=True,
        fee=draw(st.integers(0, 2_000_000)),
        at_ms=0,
    )


def reference(cash: int, history: list[FillReport], results: dict[str, int]) -> tuple[int, dict[str, int]]:
    """Contract by contract: a pair of one YES and one NO of a market is worth a dollar at once."""
    held: dict[tuple[str, str], int] = {}
    for fill in history:
        price = fill.yes_price if fill.side == "yes" else 10_000 - fill.yes_price
        cash -= price * fill.count + fill.fee
        held[fill.market, fill.side] = held.get((fill.market, fill.side), 0) + fill.count
        pairs = min(held.get((fill.market, "yes"), 0), held.get((fill.market, "no"), 0))
        for side in ("yes", "no"):
            if pairs:
                held[fill.market, side] -= pairs
        cash += pairs * 10_000
    for market, value in results.items():
        cash += held.pop((market, "yes"), 0) * value + held.pop((market, "no"), 0) * (10_000 - value)
    net = {m: held.get((m, "yes"), 0) - held.get((m, "no"), 0) for m in MARKETS}
    return cash, {market: count for market, count in net.items() if count}


histories = st.lists(fills(), max_size=30)
results = st.dictionaries(st.sampled_from(MARKETS), st.sampled_from([0, 5_000, 10_000, 3_300]))


@given(histories, results)
def test_cash_and_counts_equal_the_reference(history: list[FillReport], ends: dict[str, int]) -> None:
    books = Books(cash=1_000_000_000)
    for fill in history:
        books = apply_fill(books, fill)
    for market, value in ends.items():
        books = apply_settlement(books, market, value)
    cash, counts = reference(1_000_000_000, history, ends)
    assert books.cash == cash
    assert {market: held.count for market, held in books.holdings.items()} == counts


@given(histories, results, st.integers(-(10**9), 10**9))
def test_no_micro_dollar_is_made_or_lost(history: list[FillReport], ends: dict[str, int], moved: int) -> None:
    books = Books(cash=10**9)
    for fill in history:
        books = apply_fill(books, fill)
        assert books.cash + books.cost == 10**9 + books.realized - books.fees
        assert all(held.cost >= 0 and held.count for held in books.holdings.values())
    for market, value in ends.items():
        books = apply_settlement(books, market, value)
    books = apply_transfer(books, moved)
    assert books.cash + books.cost == 10**9 + moved + books.realized - books.fees
    assert books.fees == sum(fill.fee for fill in history)


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_fills_does_not_matter(history: list[FillReport], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    one, two = Books(cash=0), Books(cash=0)
    for fill, other in zip(history, shuffled, strict=True):
        one, two = apply_fill(one, fill), apply_fill(two, other)
    assert (one.cash, one.fees) == (two.cash, two.fees)
    assert {m: h.count for m, h in one.holdings.items()} == {m: h.count for m, h in two.holdings.items()}
    assert one.realized - one.cost == two.realized - two.cost


def fill(side: str, yes_price: int, count: int, fee: int = 0) -> FillReport:
    return FillReport("f", "o", "A", side, yes_price, count, is_taker=True, fee=fee, at_ms=0)  # type: ignore[arg-type]


def test_a_flip_closes_at_cost_and_opens_the_rest() -> None:
    books = apply_fill(Books(cash=0), fill("yes", 6_000, 300))
    books = apply_fill(books, fill("no", 7_000, 500, 10))
    held = books.holding("A")
    assert (held.count, held.cost) == (-200, 3_000 * 200)
    assert held.realized == 300 * 1_000
    assert books.cash == -6_000 * 300 + 7_000 * 300 - 3_000 * 200 - 10


def test_the_recorded_arithmetic_of_the_exchange() -> None:
    """Two buys of one contract at 0.99 with a fee of 0.0007 each leave 98.0186 of 100 dollars."""
    books = Books(cash=100_000_000)
    for _ in range(2):
        books = apply_fill(books, fill("yes", 9_900, 100, 700))
    assert books.cash == 98_018_600


def test_a_fill_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="count 0"):
        apply_fill(Books(cash=0), fill("yes", 6_000, 0))


def test_a_settlement_of_a_market_without_a_position_changes_nothing() -> None:
    books = Books(cash=5)
    assert apply_settlement(books, "A", 10_000) == books
    assert books.holding("A") == NOTHING


def test_a_tie_pays_half_on_either_side() -> None:
    assert payout(100, 5_000) == payout(-100, 5_000) == 500_000
