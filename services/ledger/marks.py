"""PURE: what the bids would pay for a position, and whether that is known well enough to open another.

A mark comes only from a valid, living, non-empty book: YES is worth the YES bid, NO one dollar minus the YES ask.
Otherwise the last good mark stands and the market is named, except where nothing can be traded any more: a closed
market waits for its result on its last mark and keeps nobody else from trading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.ledger.books import Holding
from trading_logic.contracts.messages import TopOfBook
from trading_logic.money import DOLLAR_PRICE

TRADABLE = "active"


@dataclass(frozen=True, slots=True)
class Mark:
    """`price` per contract of the side held, in its own dollars; `at_ms` 0 when never seen."""

    price: int
    at_ms: int


def bid_for(count: int, top: TopOfBook) -> int | None:
    """What one contract of a position of `count` could be sold for now; None when nobody bids."""
    if count > 0:
        return top.yes_bid if top.yes_bid_size > 0 else None
    return DOLLAR_PRICE - top.yes_ask if top.yes_ask_size > 0 else None


def mark_of(count: int, top: TopOfBook | None, last: Mark, now_ms: int, *, stale_after_ms: int) -> tuple[Mark, bool]:
    """The mark of a position of `count`, and whether it is fresh."""
    if top is None or top.status != "valid" or now_ms - top.alive_ms >= stale_after_ms:
        return last, False
    price = bid_for(count, top)
    return (Mark(price, now_ms), True) if price is not None else (last, False)


def first_mark(holding: Holding) -> Mark:
    """Before any book was seen a position is worth what it cost."""
    return Mark(holding.cost // abs(holding.count), 0)


@dataclass(frozen=True, slots=True)
class Valuation:
    """Marks of every position, their worth together, and the tradable markets without a fresh mark."""

    marks: Mapping[str, Mark]
    worth: int
    blind: tuple[str, ...]


def value(
    holdings: Mapping[str, Holding],
    tops: Mapping[str, TopOfBook],
    last: Mapping[str, Mark],
    status: Mapping[str, str],
    now_ms: int,
    *,
    stale_after_ms: int,
) -> Valuation:
    """Value every position. `status` is the exchange's word for a market; unknown counts as tradable."""
    marks: dict[str, Mark] = {}
    blind: list[str] = []
    worth = 0
    for market, holding in holdings.items():
        before = last.get(market) or first_mark(holding)
        mark, fresh = mark_of(holding.count, tops.get(market), before, now_ms, stale_after_ms=stale_after_ms)
        marks[market] = mark
        worth += mark.price * abs(holding.count)
        if not fresh and status.get(market, TRADABLE) == TRADABLE:
            blind.append(market)
    return Valuation(marks, worth, tuple(sorted(blind)))
