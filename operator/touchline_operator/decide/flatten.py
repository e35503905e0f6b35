"""PURE: what flattening would sell now, for how much, and why a position cannot be sold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from trading_logic.contracts.messages import BookState, CatalogEntry, TopOfBook
from trading_logic.contracts.record import Cause, PositionRecord
from trading_logic.fees import FeeSchedule, model_fee
from trading_logic.money import DOLLAR_PRICE, Cash, Count, Price

FRESH_MS = 2_000
"""As the executor has it: a book is good for a sale while its feed was heard from this recently."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One reading of both Redis. `writers` are strategies with a living executor, `plans` their markets with a plan."""

    positions: Sequence[PositionRecord]
    causes: Sequence[Cause] = ()
    writers: frozenset[str] = frozenset()
    open_orders: Mapping[str, int] = field(default_factory=dict)
    plans: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tops: Mapping[str, TopOfBook] = field(default_factory=dict)
    books: Mapping[str, BookState] = field(default_factory=dict)
    catalog: Mapping[str, CatalogEntry] = field(default_factory=dict)  # market -> entry of its event
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One position: what its book would pay now, before `fees`. `why_not` is "" when it can be sold.

    `never`: no executor of ours will ever sell it, whatever its book does.
    `sellable` counts the contracts (1/100) that the book would take now; `proceeds` and `fees` are for those.
    """

    market: str
    strategy: str
    side: Literal["yes", "no"]
    count: Count
    bid: Price | None
    sellable: Count
    proceeds: Cash
    fees: Cash | None
    why_not: str
    never: bool = False


def lines(scene: Scene, strategies: Sequence[str] | None) -> tuple[Line, ...]:
    """Every open position of these strategies (None: of the whole account), by market."""
    held = sorted((p for p in scene.positions if p.count), key=lambda position: position.market)
    return tuple(_line(p, scene) for p in held if strategies is None or p.strategy in strategies)


def _line(position: PositionRecord, scene: Scene) -> Line:
    side: Literal["yes", "no"] = "yes" if position.count > 0 else "no"
    count = abs(position.count)
    levels = _levels(position.market, side, scene)
    sellable, proceeds, fees = 0, 0, 0
    entry = scene.catalog.get(position.market)
    schedule = FeeSchedule(entry.fee_type, entry.fee_multiplier_ppm) if entry is not None else None
    for price, size in levels:
        sold = min(size, count - sellable)
        if sold <= 0:
            break
        sellable, proceeds = sellable + sold, proceeds + sold * price
        fees += model_fee(schedule, price, sold, is_taker=True) if schedule is not None else 0
    return Line(
        market=position.market,
        strategy=position.strategy,
        side=side,
        count=count,
        bid=levels[0][0] if levels else None,
        sellable=sellable,
        proceeds=proceeds,
        fees=fees if schedule is not None else None,
        why_not=_why_not(position, levels, scene),
        never=not _ours(position, scene),
    )


def _levels(market: str, side: Literal["yes", "no"], scene: Scene) -> list[tuple[Price, Count]]:
    """What is bid for the side, best first: the best price is the freshest word, the book says what lies behind."""
    top, book = scene.tops.get(market), scene.books.get(market)
    if top is None:
        return []
    bid, size = (top.yes_bid, top.yes_bid_size) if side == "yes" else (DOLLAR_PRICE - top.yes_ask, top.yes_ask_size)
    if size <= 0:
        return []
    behind = () if book is None else book.yes if side == "yes" else book.no
    return [(bid, size), *sorted(((price, count) for price, count in behind if price < bid), reverse=True)]


def _ours(position: PositionRecord, scene: Scene) -> bool:
    """Whether an executor knows how to sell it: its strategy opened it, and left a plan for it."""
    return bool(position.strategy) and position.market in scene.plans.get(position.strategy, frozenset())


def _why_not(position: PositionRecord, levels: Sequence[tuple[Price, Count]], scene: Scene) -> str:
    if scene.causes:
        return "halted: while halted no order can be sent"
    if not position.strategy:
        return "no strategy of ours opened it: sell it at the exchange"
    if not _ours(position, scene):
        return f"{position.strategy} has no exit plan for it: sell it at the exchange"
    if position.strategy not in scene.writers:
        return f"no executor of {position.strategy} runs, so nobody can sell"
    top = scene.tops.get(position.market)
    if top is None:
        return "its book is not known"
    if top.status != "valid":
        return f"its book is {top.status}"
    if scene.now_ms - top.alive_ms > FRESH_MS:
        return f"its feed was last heard from {(scene.now_ms - top.alive_ms) / 1000:.0f} s ago"
    return "" if levels else f"nobody bids for {'YES' if position.count > 0 else 'NO'}"
